import type { Server } from 'node:http'

/** Listens on this port of this machine only, or on the next free one of a hundred; returns the address. */
export async function listen(server: Server, port: number, last: number = port + 100): Promise<string> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
    return `http://127.0.0.1:${port}`
  } catch (error) {
    if (port < last && error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      return listen(server, port + 1, last)
    throw error
  }
}

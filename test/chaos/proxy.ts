import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A way to the database that the test can cut or stop up. */
export interface Proxy {
  readonly url: string
  /** Ends every connection, as when a machine on the way is restarted. */
  cut(): void
  /** From now on nothing passes in either direction and nobody is told, as when packets are dropped. */
  stall(): void
  /** Everything passes again; what was held up arrives. */
  resume(): void
}

export async function proxyTo(url: string): Promise<Proxy> {
  const target = new URL(url)
  const port = Number(target.port)
  const sockets = new Set<Socket>()
  let stalled = false
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    if (stalled) socket.pause()
  }
  const server = createServer((socket) => {
    const upstream = connect(port, target.hostname)
    track(socket)
    track(upstream)
    socket.on('data', (data) => upstream.write(data)).on('close', () => upstream.destroy())
    upstream.on('data', (data) => socket.write(data)).on('close', () => socket.destroy())
    if (stalled) for (const one of [socket, upstream]) one.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    cut()
    server.close()
  })
  target.port = String((server.address() as AddressInfo).port)
  return {
    url: target.href,
    cut,
    stall: () => {
      stalled = true
      for (const socket of sockets) socket.pause()
    },
    resume: () => {
      stalled = false
      for (const socket of sockets) socket.resume()
    },
  }
}

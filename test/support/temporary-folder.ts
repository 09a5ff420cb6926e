import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder {
  readonly path: string
  readonly remove: () => Promise<void>
}

/** A folder that goes when this process ends, however it ends: the other end of a pipe notices even a `kill -9`. */
export async function temporaryFolder(name: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), `legwork-${name}-`))
  const guard = spawn('sh', ['-c', 'cat >/dev/null; rm -rf "$0"', path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const gone = once(guard, 'close')
  const remove = async (): Promise<void> => {
    guard.stdin.end()
    await gone
  }
  return { path, remove }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Child {
  /** The rest of its first line. */
  readonly said: string
  kill(): Promise<void>
}

const patience = 60_000

/** Starts a script of this folder as a process of its own, and waits until it has said that it is ready. */
export async function startChild(script: string, args: readonly string[]): Promise<Child> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C is for the one who started it, who ends it in turn.
    detached: true,
  })
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    return { said: await firstLine(child, script, ended), kill }
  } catch (error) {
    await kill()
    throw error
  }
}

async function firstLine(child: ChildProcess, script: string, ended: Promise<void>): Promise<string> {
  if (!child.stdout) throw new Error(`${script} has no output.`)
  const lines = createInterface({ input: child.stdout })
  const line = once(lines, 'line', { signal: AbortSignal.timeout(patience) }) as Promise<[string]>
  const over = ended.then((): never => {
    throw new Error(`${script} ended before it was ready.`)
  })
  // Only one of them comes first, and the other may fail when nobody waits for it any more.
  for (const promise of [line, over]) promise.catch(() => undefined)
  const [text] = await Promise.race([line, over])
  return text
}

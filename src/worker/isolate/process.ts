import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type SerializedError, serializeError } from '../../core/errors.ts'
import { Host } from './host.ts'
import { entryUrl, type Launch, processArguments } from './launch.ts'
import { openEnvelope, type ToIsolated } from './protocol.ts'

/** How much of what it wrote last to stderr is kept to explain its end. */
const tailLength = 8_192
/** What V8 writes when it gives up; the signal or exit code that follows differs between platforms and situations. */
const outOfMemory = /^(FATAL ERROR|# Fatal).*(out of memory|heap limit|\bOOM\b)/im
/** What a process wrote may arrive after its exit; a grandchild that holds the pipe open must not delay us for ever. */
const drainTime = 250
/** A process that closes its channel is normally exiting; one that is not is of no more use. */
const exitTime = 500

/**
 * A child process. It inherits the environment of this one, secrets included, as a handler in this process would
 * see them too. On POSIX it leads a process group, so that what the handler started ends with it, and Ctrl-C reaches
 * only this process, which decides how long handlers may take to end.
 */
export class ProcessHost extends Host {
  readonly what = 'process'
  readonly #child: ChildProcess
  #fatal: SerializedError | undefined
  #tail = ''

  constructor(launch: Launch) {
    super(launch.key)
    this.#child = fork(fileURLToPath(entryUrl), [], {
      execArgv: processArguments(launch),
      detached: process.platform !== 'win32',
      // The last pipe carries nothing: its end tells the child that this process is gone.
      stdio: ['ignore', 'inherit', 'pipe', 'ipc', 'pipe'],
    })
    this.#watch(this.#child)
  }

  send(message: ToIsolated): void {
    // A failure to send means that the process is going away, which its end reports.
    this.#child.send(message, () => {})
  }

  hold(busy: boolean): void {
    const method = busy ? 'ref' : 'unref'
    this.#child[method]()
    this.#child.channel?.[method]()
    for (const pipe of this.#child.stdio) (pipe as Socket | null)?.[method]()
  }

  protected terminate(): void {
    killGroup(this.#child)
  }

  #watch(child: ChildProcess): void {
    child.on('message', (message: unknown) => {
      const opened = openEnvelope(message)
      if (opened?.type === 'fatal') this.#fatal = opened.error
      this.deliver(message)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      this.#tail = (this.#tail + chunk.toString()).slice(-tailLength)
    })
    // The other end of the pipes dies with the child; that is no news.
    for (const pipe of child.stdio) pipe?.on('error', () => {})
    child.once('disconnect', () => endSoon(child))
    child.once('exit', (code, signal) => void this.#exited(code, signal))
    child.on('error', (error) => {
      const started = child.pid !== undefined
      if (!started) this.finish({ how: 'could not be started', memory: false, error: serializeError(error) })
    })
  }

  async #exited(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    killGroup(this.#child)
    await drained(this.#child)
    const memory = signal !== 'SIGKILL' && code !== 0 && outOfMemory.test(this.#tail)
    const how = signal ? `was ended by ${signal}` : `exited with code ${code}`
    this.finish({ how, memory, error: memory ? undefined : (this.#fatal ?? lastWords(this.#tail)) })
  }
}

function endSoon(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(killGroup, exitTime, child)
  child.once('exit', () => clearTimeout(timer))
}

async function drained(child: ChildProcess): Promise<void> {
  const { stderr } = child
  const open: Promise<unknown>[] = []
  if (child.connected) open.push(once(child, 'disconnect'))
  if (stderr && !stderr.closed) open.push(once(stderr, 'close'))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, drainTime)))
  await Promise.race([Promise.all(open), late])
  clearTimeout(timer)
}

function lastWords(tail: string): SerializedError | undefined {
  const text = tail.trim()
  return text ? { name: 'stderr', message: text.slice(-2_000) } : undefined
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL')
  } catch {
    // nobody is left in the group
  }
  child.kill('SIGKILL')
}

import { LegworkError } from '../../core/errors.ts'
import { asError, type Host } from './host.ts'
import type { Launch } from './launch.ts'
import { ProcessHost } from './process.ts'
import { ThreadHost } from './thread.ts'

interface Waiter {
  readonly launch: Launch
  readonly resolve: (host: Host | undefined) => void
  readonly reject: (error: Error) => void
}

/** How long `close` waits for the operating system to confirm the end of what it killed. */
const closeTime = 5_000

/** At most `max` threads (or processes), started when needed, kept for a while when idle. */
export class HostPool {
  readonly #max: number
  readonly #idleTimeout: number
  readonly #live = new Set<Host>()
  readonly #idle = new Map<Host, NodeJS.Timeout>()
  readonly #waiting: Waiter[] = []
  #closed = false

  constructor(max: number, idleTimeout: number) {
    this.#max = max
    this.#idleTimeout = idleTimeout
  }

  /** A host for one run, or undefined when `signal` aborted first. Give it back with `release`. */
  async acquire(launch: Launch, signal: AbortSignal): Promise<Host | undefined> {
    if (this.#closed) throw closed()
    let leave: (() => void) | undefined
    const served = new Promise<Host | undefined>((resolve, reject) => {
      const waiter: Waiter = { launch, resolve, reject }
      leave = () => {
        const at = this.#waiting.indexOf(waiter)
        if (at !== -1) this.#waiting.splice(at, 1)
        resolve(undefined)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiter)
      this.#serve()
    })
    return served.finally(() => leave && signal.removeEventListener('abort', leave))
  }

  /** Takes a host back, and ends it unless it may run another handler. */
  release(host: Host, reusable: boolean): void {
    if (!this.#live.has(host)) return
    host.hold(false)
    if (!reusable || this.#closed) return host.kill()
    this.#idle.set(host, setTimeout(() => this.#retire(host), this.#idleTimeout).unref())
    this.#serve()
  }

  /** Ends every host, busy ones too. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiting.splice(0)) waiter.reject(closed())
    for (const timer of this.#idle.values()) clearTimeout(timer)
    this.#idle.clear()
    for (const host of this.#live) host.kill()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => (timer = setTimeout(resolve, closeTime)))
    await Promise.race([Promise.all([...this.#live].map((host) => host.ended)), late])
    clearTimeout(timer)
  }

  /** Serves waiters in order as far as hosts go. */
  #serve(): void {
    for (;;) {
      const waiter = this.#waiting[0]
      if (!waiter) return
      const host = this.#take(waiter)
      if (host === 'none') return
      this.#waiting.shift()
      if (!host) continue
      host.hold(true)
      waiter.resolve(host)
    }
  }

  /** A host for the waiter; `'none'` when it has to wait, undefined when it was refused. */
  #take(waiter: Waiter): Host | 'none' | undefined {
    for (const host of this.#idle.keys()) if (host.key === waiter.launch.key) return this.#wake(host)
    if (this.#live.size < this.#max) return this.#start(waiter)
    const [other] = this.#idle.keys()
    if (other) this.#retire(other)
    return 'none'
  }

  #wake(host: Host): Host {
    clearTimeout(this.#idle.get(host))
    this.#idle.delete(host)
    return host
  }

  #start({ launch, reject }: Waiter): Host | undefined {
    try {
      const host = launch.mode === 'thread' ? new ThreadHost(launch) : new ProcessHost(launch)
      this.#live.add(host)
      void host.ended.then(() => this.#forget(host))
      return host
    } catch (error) {
      reject(asError(error))
      return undefined
    }
  }

  #retire(host: Host): void {
    this.#wake(host).kill()
  }

  #forget(host: Host): void {
    this.#live.delete(host)
    this.#wake(host)
    this.#serve()
  }
}

function closed(): LegworkError {
  return new LegworkError('LW_CLOSED', 'The engine has been closed; no handler can be started.')
}

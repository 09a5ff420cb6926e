import { LegworkError } from '../../core/errors.ts'
import type { Host } from './host.ts'
import type { Launch } from './launch.ts'
import { ProcessHost } from './process.ts'
import { ThreadHost } from './thread.ts'

interface Waiter {
  readonly launch: Launch
  readonly resolve: (host: Host) => void
  readonly reject: (error: unknown) => void
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

  /** Resolves with a host for one run; `signal` ends the wait for one. Give it back with `release`. */
  acquire(launch: Launch, signal: AbortSignal): Promise<Host> {
    if (this.#closed) return Promise.reject(closed())
    return new Promise<Host>((resolve, reject) => {
      const leave = (): void => {
        const at = this.#waiting.indexOf(waiter)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(signal.reason)
      }
      const waiter: Waiter = {
        launch,
        resolve: (host) => {
          signal.removeEventListener('abort', leave)
          resolve(host)
        },
        reject: (error) => {
          signal.removeEventListener('abort', leave)
          reject(error)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiter)
      this.#serve()
    })
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
    const [same] = [...this.#idle.keys()].filter((host) => host.key === waiter.launch.key)
    if (same) return this.#wake(same)
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
      reject(error)
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

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Cancel, Clock } from '../core/clock.ts'
import type { Scope } from './scope.ts'

/** Waits up to this long, in milliseconds, are waited for in memory: parking would cost more. */
const warm = 1_000

interface Wait {
  readonly due: number
  readonly cancel: Cancel
  readonly scope: Scope | undefined
}

/**
 * Knows what of a run is under way, and tells when all of it is waiting: then the run may be parked. Waits are promises
 * that settle later and never errors, so that no `catch` and no `Promise.all` around one gets in the way.
 */
export class Rest {
  readonly #clock: Clock
  readonly #waits = new Set<Wait>()
  readonly #onRest: (delay: number) => void
  readonly #track: (look: Promise<void>) => unknown
  readonly #scope: () => Scope | undefined
  /** Scopes in which something was asked for that will never come. */
  readonly #stuckScopes = new Set<Scope>()
  #active = 0
  #moves = 0
  #stuck = false
  #closed = false

  /**
   * @param onRest called when nothing is under way, with the milliseconds until the first wait is over (Infinity for none)
   * @param track told of each look whether something is under way, for whoever waits until all is decided
   * @param scope the group inside of which it is called, if any
   */
  constructor(
    clock: Clock,
    onRest: (delay: number) => void,
    track: (look: Promise<void>) => unknown,
    scope: () => Scope | undefined = () => undefined,
  ) {
    this.#clock = clock
    this.#onRest = onRest
    this.#track = track
    this.#scope = scope
  }

  /** Nothing begins any more, in the run or in the group inside of which this is asked. */
  get closed(): boolean {
    return this.#closed || (this.#scope()?.closed ?? false)
  }

  /** Nothing is under way but what asks this, and nothing waits. */
  get alone(): boolean {
    return this.#active === 1 && this.#waits.size === 0
  }

  /** Whether nothing begins or goes on for a while: what a handler does between two steps takes a turn of the event loop or two. */
  async quiet(): Promise<boolean> {
    const moves = this.#moves
    await nextTurn()
    await nextTurn()
    return this.#moves === moves
  }

  /** Counts `work` as under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#enter()
    try {
      return await work()
    } catch (error) {
      if (this.#closed || this.#scope()?.over) return await never() // the attempt or the group is over: a step that nobody awaits must not end the process
      throw error
    } finally {
      this.#leave()
    }
  }

  /**
   * Waits inside of `during`; does not count meanwhile.
   * @param most how long this process waits before it looks again itself, if the run is not parked
   * @param sooner ends the wait
   */
  async wait(ms: number, most = ms, sooner?: AbortSignal): Promise<void> {
    if (this.#closed) return never()
    if (ms <= 0) return
    const scope = this.#scope()
    if (scope?.closed) return this.forever()
    await new Promise<void>((resolve) => {
      const over = () => {
        this.#waits.delete(wait)
        this.#enter()
        resolve()
      }
      const wait = { due: this.#clock.now() + ms, cancel: this.#clock.after(Math.min(ms, most), over), scope }
      this.#waits.add(wait)
      sooner?.addEventListener('abort', () => this.#waits.has(wait) && (wait.cancel(), over()), { once: true })
      this.#leave()
    })
  }

  /** What was asked for inside of `during` does not happen in this run any more. */
  forever<T>(): Promise<T> {
    const scope = this.#scope()
    if (!scope?.closed) this.#stuck = true
    else if (!scope.over) this.#stuckScopes.add(scope)
    this.#leave()
    return never()
  }

  /** What still waits inside of a scope that is over never ends. */
  dropOver(): void {
    for (const wait of this.#waits) {
      if (!wait.scope?.over) continue
      wait.cancel()
      this.#waits.delete(wait)
    }
  }

  /** Nothing more is told, and no wait ends any more. */
  close(): void {
    this.#closed = true
    for (const wait of this.#waits) wait.cancel()
    this.#waits.clear()
  }

  #enter(): void {
    this.#active++
    this.#moves++
  }

  #leave(): void {
    this.#active--
    if (this.#active === 0) this.#track(this.#look())
  }

  async #look(): Promise<void> {
    if ((await this.quiet()) && !this.#closed && this.#active === 0) this.#tell()
  }

  #tell(): void {
    if (this.#stuckScopes.size > 0) {
      for (const scope of this.#stuckScopes) scope.giveUp()
      return this.#stuckScopes.clear()
    }
    const now = this.#clock.now()
    const delay = Math.min(...[...this.#waits].map((wait) => wait.due - now))
    // Without a wait the handler is busy with something that is no step: that ends by itself.
    if (delay > warm && (this.#stuck || this.#waits.size > 0)) this.#onRest(delay)
  }
}

/** What is not to go on: the promise of an attempt that has ended. */
function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Legwork } from '../api.ts'
import type { EventName } from '../core/events.ts'
import type { EngineHooks } from '../hooks.ts'

const activity: readonly EventName[] = [
  'started',
  'completed',
  'retrying',
  'snoozed',
  'dead',
  'cancelled',
  'step',
  'parked',
  'restarted',
  'compensated',
  'compensation_failed',
  'lost',
]

/** How often to look whether the handlers have ended, real milliseconds. */
const interval = 5

/**
 * When an engine has come to rest. A handler that neither begins nor ends for a while is not waited for: it waits for
 * something that will not come before time goes on, a timeout, a cancel or the test itself.
 */
export class Stillness {
  readonly #engine: Legwork & EngineHooks
  readonly #patience: number
  #disturbed = 0
  #events = 0
  #idle: Promise<true> | undefined

  /** @param patience real milliseconds */
  constructor(engine: Legwork & EngineHooks, patience: number) {
    this.#engine = engine
    this.#patience = patience
    for (const event of activity) {
      engine.on(event, () => {
        this.#events++
        this.disturb()
      })
    }
  }

  /** How much has happened so far; only for comparison. */
  get events(): number {
    return this.#events
  }

  /** Something has happened that handlers may answer to. */
  disturb(): void {
    this.#disturbed = performance.now()
  }

  /** Resolves when everything that was started has ended, or waits. */
  async settled(): Promise<void> {
    for (await this.#calm(); this.#mayEnd(); await this.#calm()) await sleep(interval)
  }

  /** Resolves when the engine is idle besides, so far as handlers let it be. */
  async idle(): Promise<void> {
    this.#idle ??= this.#untilIdle()
    while (!(await Promise.race([this.#idle, sleep(interval, false as const)])))
      if (this.#engine.busy && !this.#mayEnd()) break
    await this.#calm()
  }

  /** Whether a handler runs that may be about to end. */
  #mayEnd(): boolean {
    return this.#engine.busy && performance.now() - this.#disturbed < this.#patience
  }

  /**
   * What is handed from one part to the next passes through a few microtasks: the second look sees it. When something has
   * ended or begun meanwhile, it may have started something else: looked at once more.
   */
  async #calm(): Promise<void> {
    for (let before = -1; before !== this.#events;) {
      before = this.#events
      await this.#engine.calm()
      await new Promise((resolve) => setImmediate(resolve))
      await this.#engine.calm()
    }
  }

  async #untilIdle(): Promise<true> {
    try {
      await this.#engine.idle(true)
    } finally {
      this.#idle = undefined
    }
    return true
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Legwork } from '../api.ts'
import type { EventName } from '../core/events.ts'
import type { EngineHooks } from '../engine.ts'

const activity: readonly EventName[] = ['started', 'completed', 'retrying', 'snoozed', 'dead', 'cancelled', 'lost']

/** How often to look whether handlers that do not end are all that is left, real milliseconds. */
const interval = 5

/**
 * When an engine has come to rest: it is idle, or all it does is wait for handlers, and none of them has begun or ended
 * for a while. Those wait for something that will not come before time goes on: a timeout, a cancel, the test itself.
 */
export class Stillness {
  readonly #engine: Legwork & EngineHooks
  readonly #patience: number
  #disturbed = 0
  #idle: Promise<true> | undefined

  /** @param patience real milliseconds */
  constructor(engine: Legwork & EngineHooks, patience: number) {
    this.#engine = engine
    this.#patience = patience
    for (const event of activity) engine.on(event, () => this.disturb())
  }

  /** Something has happened that handlers may answer to. */
  disturb(): void {
    this.#disturbed = performance.now()
  }

  async reached(): Promise<void> {
    this.#idle ??= this.#untilIdle()
    for (;;) {
      if (await Promise.race([this.#idle, this.#calm()])) break
      if (this.#engine.busy && performance.now() - this.#disturbed > this.#patience) break
      if (await Promise.race([this.#idle, sleep(interval, false as const)])) break
    }
    await this.#engine.calm()
  }

  async #calm(): Promise<false> {
    await this.#engine.calm()
    return false
  }

  async #untilIdle(): Promise<true> {
    try {
      await this.#engine.idle()
    } finally {
      this.#idle = undefined
    }
    return true
  }
}

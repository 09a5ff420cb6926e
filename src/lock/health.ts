import type { LeaderOptions } from '../core/lock.ts'
import { beatsPerLease } from './lease.ts'

/** Whether a process is fit to lead, as its own check says. */
export class Health {
  readonly #check: NonNullable<LeaderOptions['health']>
  #asked: Promise<boolean> | undefined
  /** How often it was asked again while the check had not answered. */
  #silence = 0

  constructor(check: LeaderOptions['health'] = () => true) {
    this.#check = check
  }

  /** Asks, at every beat. While an answer is still to come the last one counts, for at most a lease. */
  async good(): Promise<boolean> {
    if (this.#asked) return ++this.#silence < beatsPerLease
    const asked = this.#ask()
    this.#asked = asked
    this.#silence = 0
    const good = await asked
    this.#asked = undefined
    return good
  }

  async #ask(): Promise<boolean> {
    try {
      return await this.#check()
    } catch {
      return false
    }
  }
}

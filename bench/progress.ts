import type { Ears } from './peer.ts'
import { now } from './scenario.ts'

/** Counts what a worker tells and lets a scenario wait for it. */
export class Progress implements Ears {
  startedCount = 0
  settledCount = 0
  lastSettledAt = 0
  onStarted: (n: number) => void = () => undefined
  #target = Infinity
  #reached: () => void = () => undefined

  started(n: number): void {
    this.startedCount++
    this.onStarted(n)
  }

  settled(count: number): void {
    this.settledCount += count
    this.lastSettledAt = now()
    if (this.settledCount >= this.#target) this.#reached()
  }

  /** Resolves with true when `target` jobs are settled, with false when the time is over. */
  async until(target: number, seconds: number): Promise<boolean> {
    if (this.settledCount >= target) return true
    this.#target = target
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), seconds * 1000)
      this.#reached = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}

/** Jobs per second from `began` until the last that was settled. */
export function rate(progress: Progress, began: number): number {
  return progress.settledCount / ((progress.lastSettledAt - began) / 1000)
}

/**
 * How far into a lane a worker has looked. Ready rows are taken in the order of their seq, so the next scan starts
 * after the highest one taken: the dead index entries before it cost disk, not time, even when a long transaction
 * keeps vacuum from removing them.
 *
 * A row below may still appear: its seq was drawn early and its transaction commits late. So there are two places:
 * `scan`, where an ordinary claim starts, and `final`, below which nothing can appear any more because every
 * transaction that was open when the worker had got that far has ended. Re-scans start from `final`.
 */
export class Floor {
  #scan = 0
  #final = 0
  #candidate: { readonly seq: number; readonly xmax: number } | undefined

  get scan(): number {
    return this.#scan
  }

  get final(): number {
    return this.#final
  }

  /** A job with this seq was taken. */
  passed(seq: number): void {
    if (seq > this.#scan) this.#scan = seq
  }

  /**
   * The snapshot of a claim: transactions before `xmin` have ended, those from `xmax` on have not begun.
   * A transaction has its id before it draws a seq, so one that begins later draws a higher one.
   */
  saw(snapshot: { readonly xmin: number; readonly xmax: number }): void {
    if (this.#candidate && snapshot.xmin >= this.#candidate.xmax) {
      this.#final = this.#candidate.seq
      this.#candidate = undefined
    }
    if (!this.#candidate && this.#scan > this.#final) this.#candidate = { seq: this.#scan, xmax: snapshot.xmax }
  }
}

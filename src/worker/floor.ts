/**
 * How far into a lane a worker has looked. Ready rows are taken in the order of their seq, so the next scan starts
 * after the highest one taken: the dead index entries before it cost disk, not time, even when a long transaction
 * keeps vacuum from removing them.
 *
 * A row below may still appear: its seq was drawn early and its transaction commits late. So there are two places:
 * `scan`, where an ordinary claim starts, and `final`, below which nothing can appear any more. Re-scans start there.
 */
export class Floor {
  #scan = 0
  #final = 0
  #candidate: { readonly seq: number; readonly before: number } | undefined

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
   * What a claim knows of transactions: those before `xmin` have ended, and it was `xid` itself. One that gets its id
   * later draws a higher seq than any job this claim has seen, because ids are given before seqs are drawn. (The upper
   * end of a snapshot would not do: transactions beyond it may be running.)
   *
   * A place becomes final when those that might still write below it have ended, and a claim whose snapshot knows of
   * their end has looked there: what they wrote may lie below the place where an ordinary claim starts.
   * @param covered up to which seq the claim has looked, from `final` on; 0 when it started above
   */
  saw({ xmin, xid }: { readonly xmin: number; readonly xid: number | undefined }, covered: number): void {
    const candidate = this.#candidate
    if (candidate && xmin >= candidate.before) {
      this.#final = Math.max(this.#final, Math.min(candidate.seq, covered))
      if (this.#final === candidate.seq) this.#candidate = undefined
    }
    if (xid !== undefined && this.#scan > this.#final) this.#candidate ??= { seq: this.#scan, before: xid }
  }
}

import { isUnreachable } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import { groupBy } from '../core/group.ts'
import type { Outcome } from '../core/outcome.ts'
import type { FeedEntry } from '../store/queries/feed.ts'
import type { LaneName } from '../store/queries/lanes.ts'
import type { Settled, SettleScope } from '../store/queries/settle.ts'
import type { Store } from '../store/store.ts'
import type { Held, Holdings } from './running.ts'
import { announce, announceTurn, ending, isReturn, rowsOf, type Settlement } from './settlement.ts'

/** Feed lines and outcomes a flush may carry at most. */
const largestFlush = 1_000

export interface FlusherParts {
  readonly store: Store
  readonly holdings: Holdings
  readonly events: Emitter
  readonly workerId: () => number
  /** Called after each flush with what has changed, for hints. */
  readonly onWritten: (written: Written) => void
  /** The database says that these are not ours any more. */
  readonly onLost: (held: readonly Held[]) => void
}

export interface Written {
  readonly ended: readonly string[]
  /** Jobs that left this worker without ending. */
  readonly returned: readonly string[]
  /** Jobs with new feed entries. */
  readonly fed: readonly string[]
  readonly woken: readonly LaneName[]
  /** Milliseconds until the soonest of the returned jobs is due. */
  readonly dueIn: number | undefined
}

interface Line {
  readonly held: Held
  readonly kind: FeedEntry['kind']
  readonly data: string
}

/** What became of the outcomes that did not go through at first. */
interface Rest extends Settled {
  readonly cancelled: ReadonlySet<string>
  /** Those that a first try had written. */
  readonly before: ReadonlySet<string>
}

const nothingSettled: Settled = { ids: new Set<string>(), woken: [] }
const nothingElse: Rest = { ...nothingSettled, cancelled: new Set(), before: new Set() }

/**
 * Writes what running jobs produce: one flush at a time, each taking everything that has come meanwhile, so a busy
 * worker writes many jobs per statement and an idle one waits for nothing. Feed lines go before outcomes: an outcome
 * takes the row away that the lines are fenced by.
 */
export class Flusher {
  readonly #parts: FlusherParts
  #lines: Line[] = []
  #settlements: Settlement[] = []
  #flushing: Promise<void> | undefined
  #abandoned = false

  constructor(parts: FlusherParts) {
    this.#parts = parts
  }

  /** Adds a line to the feed of a running job. Progress replaces progress that has not been written yet. */
  line(held: Held, kind: FeedEntry['kind'], data: string): void {
    if (this.#abandoned) return
    const last = kind === 'progress' ? this.#lines.findLastIndex((line) => line.held === held) : -1
    const replaceable = last >= 0 && this.#lines[last]?.kind === 'progress'
    if (replaceable) this.#lines[last] = { held, kind, data }
    else this.#lines.push({ held, kind, data })
    this.#start()
  }

  settle(held: Held, outcome: Outcome): void {
    this.#parts.holdings.settling(held)
    if (this.#abandoned) return
    this.#settlements.push({ held, outcome })
    this.#start()
  }

  /** Writes nothing more; a flush under way ends. */
  abandon(): Promise<void> {
    this.#abandoned = true
    this.#lines = []
    this.#settlements = []
    return this.drained()
  }

  /** Resolves when everything given so far has been written. */
  async drained(): Promise<void> {
    while (this.#flushing) await this.#flushing
  }

  #start(): void {
    this.#flushing ??= this.#run().finally(() => {
      this.#flushing = undefined
      if (this.#lines.length > 0 || this.#settlements.length > 0) this.#start()
    })
  }

  async #run(): Promise<void> {
    // Everything that happens in this turn of the event loop shares the first flush.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#lines.length > 0 || this.#settlements.length > 0) {
      const lines = this.#lines.splice(0, largestFlush)
      // An outcome must not overtake a line of its own job that is still waiting.
      const settlements = this.#lines.length > 0 ? [] : this.#settlements.splice(0, largestFlush)
      await this.#flush(lines, settlements)
    }
  }

  async #flush(lines: readonly Line[], settlements: readonly Settlement[]): Promise<void> {
    try {
      const fed = await this.#writeLines(lines)
      this.#parts.onWritten({ ...(await this.#writeOutcomes(settlements)), fed })
    } catch (error) {
      const parts = isUnreachable(error) ? [] : halves(lines, settlements)
      if (parts.length === 0) this.#giveUp(error, settlements)
      // What the database refuses must not take its neighbours with it.
      for (const part of parts) await this.#flush(part.lines, part.settlements)
    }
  }

  /** The connection was patient already. The jobs stay running in the database and go back by their lease. */
  #giveUp(error: unknown, settlements: readonly Settlement[]): void {
    this.#parts.events.emit('error', { during: 'writing outcomes', error })
    const held = settlements.map((settlement) => settlement.held)
    this.#parts.onLost(held)
    for (const job of held) this.#parts.holdings.remove(job)
    // Whoever waits until no job is held any more looks again.
    this.#parts.onWritten({ ended: [], returned: [], fed: [], woken: [], dueIn: undefined })
  }

  async #writeLines(lines: readonly Line[]): Promise<string[]> {
    const live = lines.filter((line) => !line.held.lost)
    const fed: string[] = []
    for (const [slot, own] of groupBy(live, (line) => line.held.job.slot)) {
      const entries = own.map(({ held, kind, data }) => ({ id: held.job.id, claim: held.job.claim, kind, data }))
      const mine = await this.#parts.store.appendFeed(slot, entries)
      fed.push(...mine)
      const lost = new Set(own.map((line) => line.held).filter((held) => !mine.has(held.job.id)))
      if (lost.size > 0) this.#parts.onLost([...lost])
    }
    return fed
  }

  async #writeOutcomes(settlements: readonly Settlement[]): Promise<Omit<Written, 'fed'>> {
    const { store, holdings, workerId } = this.#parts
    for (const { held } of settlements) if (held.lost) holdings.remove(held)
    const live = settlements.filter(({ held }) => !held.lost)
    const result = {
      ended: [] as string[],
      returned: [] as string[],
      woken: [] as LaneName[],
      dueIn: undefined as number | undefined,
    }
    for (const [slot, own] of groupBy(live, (settlement) => settlement.held.job.slot)) {
      const scope = { slot, workerId: workerId(), emptyBatches: holdings.emptiedBy(own.map(({ held }) => held)) }
      const { endings, returns } = rowsOf(own)
      const settled = await store.settle(scope, endings, returns)
      this.#passOn(settled, result)
      const rest = settled.ids.size === own.length ? [] : own.filter(({ held }) => !settled.ids.has(held.job.id))
      const others = rest.length > 0 ? await this.#settleRest(scope, rest) : nothingElse
      this.#passOn(others, result)
      for (const { held, outcome } of own) {
        const { id } = held.job
        if (others.cancelled.has(id)) this.#done(held, { kind: 'cancelled', reason: 'cancelled' }, true, result)
        else this.#done(held, outcome, settled.ids.has(id) || others.before.has(id), result)
      }
    }
    return result
  }

  /**
   * Those that did not go through: a returning job whose cancel was asked for ends as cancelled; one that is in
   * history already was written by a first try whose answer got lost; the others belong to another worker now.
   */
  async #settleRest(scope: SettleScope, rest: readonly Settlement[]): Promise<Rest> {
    const { store } = this.#parts
    const returning = rest.filter(({ outcome }) => isReturn(outcome))
    const endings = returning.map(({ held }) => ending(held, 'cancelled', null, null, 'cancelled'))
    const whole = endings.length === rest.length ? scope : { ...scope, emptyBatches: [] }
    const settled = endings.length > 0 ? await store.settle(whole, endings, []) : nothingSettled
    const cancelled = settled.ids
    const others = rest.map(({ held }) => held).filter((held) => !cancelled.has(held.job.id))
    const { ended } = others.length > 0 ? await store.ended(others.map((held) => held.job.id)) : { ended: [] }
    const claims = new Map(ended.map((row) => [row.id, row.claim]))
    const lost = others.filter((held) => claims.get(held.job.id) !== held.job.claim)
    if (lost.length > 0) this.#parts.onLost(lost)
    const before = new Set(others.filter((held) => !lost.includes(held)).map((held) => held.job.id))
    return { ...settled, cancelled, before }
  }

  /** What else a settle has brought about. */
  #passOn({ woken, dueIn, turned = [] }: Settled, result: { woken: LaneName[]; dueIn: number | undefined }): void {
    result.woken.push(...woken)
    if (dueIn !== undefined) result.dueIn = Math.min(result.dueIn ?? Infinity, dueIn)
    for (const turn of turned) announceTurn(this.#parts.events, turn)
  }

  #done(
    held: Held,
    outcome: Outcome,
    written: boolean,
    result: { ended: string[]; returned: string[]; dueIn: number | undefined },
  ): void {
    this.#parts.holdings.remove(held)
    if (!written) return
    if (isReturn(outcome)) {
      result.returned.push(held.job.id)
      if ('delay' in outcome) result.dueIn = Math.min(result.dueIn ?? Infinity, outcome.delay)
    } else {
      result.ended.push(held.job.id)
    }
    announce(this.#parts.events, held, outcome)
  }
}

/** The parts of a flush that may be written one after the other, lines first; none when it cannot be divided. */
function halves(
  lines: readonly Line[],
  settlements: readonly Settlement[],
): { lines: readonly Line[]; settlements: readonly Settlement[] }[] {
  if (lines.length + settlements.length <= 1) return []
  const middle = (list: readonly unknown[]) => Math.ceil(list.length / 2)
  const cuts = lines.length > 0 && settlements.length > 0 ? [lines.length, 0] : [middle(lines), middle(settlements)]
  return [
    { lines: lines.slice(0, cuts[0]), settlements: settlements.slice(0, cuts[1]) },
    { lines: lines.slice(cuts[0]), settlements: settlements.slice(cuts[1]) },
  ]
}

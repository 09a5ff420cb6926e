import type { Clock } from '../core/clock.ts'
import { isUnreachable } from '../core/errors.ts'
import type { Emitter } from '../core/events.ts'
import type { Carried, FiringPlan, Standing } from '../store/scheduling.ts'
import type { Store } from '../store/store.ts'
import { type PlanParts, planDue, troubled } from './plan.ts'
import { renewedState } from './state.ts'

export interface SchedulerParts extends PlanParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  /** The schedules that this process has in its code, and those of them whose input is a function. */
  readonly named: () => readonly string[]
  readonly dynamic: () => readonly string[]
  readonly zoneData: string
  /** Tells whoever must know of it. */
  readonly onCarried: (carried: Carried) => Promise<void>
}

/** Schedules that one transaction deals with. */
const most = 200

/** While nothing is due, this share of the polls asks the database: what is new is told by hints, which may be lost. */
const idlePolls = 15

/**
 * Fires what is due. Every process that works has one and all of them may fire at once: each takes the rows that no other
 * has. Which process it is, and what its own clock says, does not matter.
 */
export class Scheduler {
  readonly #parts: SchedulerParts
  #polls = 0
  #nextAsk = 0

  constructor(parts: SchedulerParts) {
    this.#parts = parts
  }

  /** Something about schedules has changed: the next call asks. */
  nudge(): void {
    this.#polls = 0
  }

  /** Fires what is due now; returns the milliseconds until the next schedule is, as far as that was asked. */
  async fireDue(): Promise<number | undefined> {
    const { store, clock, dynamic } = this.#parts
    const early = this.#nextAsk - clock.now()
    // a timer may fire a little early: it is told to come again
    if (this.#polls++ % idlePolls !== 0 && early > 0) return early < Infinity ? early : undefined
    while ((await this.#visit()) === most);
    const next = await store.nextDueSchedule(dynamic())
    this.#nextAsk = clock.now() + (next ?? Infinity)
    return next
  }

  /** Computes anew what older time zone data has made, and notes that the schedules of this process are named by its code. */
  async renew(): Promise<void> {
    const { store, events, zoneData, named } = this.#parts
    if (named().length > 0) await store.seeSchedules(named())
    const changed: { id: string; was: Date | undefined; is: Date | undefined; before: string }[] = []
    for (let more = true; more;) {
      const count = await store.renewZones(zoneData, (row, now) => {
        const state = renewedState(row, now, zoneData)
        if (state.nextAt?.getTime() !== row.nextAt?.getTime())
          changed.push({ id: row.id, was: row.nextAt, is: state.nextAt, before: row.zoneData })
        return state
      })
      more = count === most
    }
    for (const { id, was, is, before } of changed)
      events.emit('rescheduled', { schedule: id, was, is, reason: `time zone data ${zoneData} instead of ${before}` })
    if (changed.length > 0) this.nudge()
  }

  /** One transaction. When that fails, each of its schedules gets one of its own: one that is bad stops no other. */
  async #visit(): Promise<number> {
    const { store, dynamic } = this.#parts
    let tried: readonly string[] = []
    const visit = this.#begin()
    try {
      const { taken, carried } = await store.fireDue({ own: dynamic(), most }, (due, now) => {
        tried = due.map(({ row }) => row.id)
        return visit.plan(due, now)
      })
      await this.#end(visit, carried)
      return taken.length
    } catch (error) {
      if (isUnreachable(error) || tried.length === 0) throw error
      for (const id of tried) await this.#visitOne(id)
      return tried.length
    }
  }

  async #visitOne(id: string): Promise<void> {
    const { store, events } = this.#parts
    const visit = this.#begin()
    try {
      const carried = await store.fireOne(
        id,
        async (standing, now) => (await visit.plan([standing], now))[0] as FiringPlan,
      )
      if (carried) await this.#end(visit, carried)
    } catch (error) {
      if (isUnreachable(error)) throw error
      events.emit('error', { during: `firing schedule ${id}`, error })
      const broken = this.#begin()
      const carried = await store.fireOne(id, async (standing, now) =>
        broken.note(standing, troubled(standing.row, now, error)),
      )
      if (carried) await this.#end(broken, carried)
    }
  }

  #begin(): Visit {
    return new Visit(this.#parts)
  }

  async #end(visit: Visit, carried: Carried): Promise<void> {
    visit.announce(carried)
    await this.#parts.onCarried(carried)
  }
}

/** The decisions of one transaction; the last try counts when it is repeated. */
class Visit {
  readonly #parts: SchedulerParts
  #plans = new Map<string, { readonly standing: Standing; readonly plan: FiringPlan }>()

  constructor(parts: SchedulerParts) {
    this.#parts = parts
  }

  async plan(due: readonly Standing[], now: Date): Promise<readonly FiringPlan[]> {
    this.#plans.clear()
    const plans: FiringPlan[] = []
    for (const standing of due) plans.push(this.note(standing, await this.#planOne(standing, now)))
    return plans
  }

  note(standing: Standing, plan: FiringPlan): FiringPlan {
    this.#plans.set(plan.id, { standing, plan })
    return plan
  }

  announce({ fired }: Carried): void {
    const { events } = this.#parts
    for (const { schedule, nominal, job, kind } of fired) events.emit('fired', { schedule, nominal, job, kind })
    for (const { standing, plan } of this.#plans.values()) {
      for (const { schedule, nominal, outcome, reason = '', until, count = 1, more = false } of plan.notes) {
        if (outcome === 'skipped') events.emit('skipped', { schedule, nominal, reason })
        else events.emit('missed', { schedule, from: nominal, until: until ?? nominal, count, more, reason })
      }
      const { pausedAt, pauseReason = '', pausedBy = '' } = plan.state
      if (pausedAt && pausedAt.getTime() !== standing.row.pausedAt?.getTime())
        events.emit('schedule_paused', { schedule: plan.id, reason: pauseReason, by: pausedBy })
    }
  }

  async #planOne(standing: Standing, now: Date): Promise<FiringPlan> {
    try {
      return await planDue(standing, now, this.#parts)
    } catch (error) {
      this.#parts.events.emit('error', { during: `firing schedule ${standing.row.id}`, error })
      return troubled(standing.row, now, error)
    }
  }
}

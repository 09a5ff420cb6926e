import { definitionFor } from './versions.ts'
import { type BatchPlan, BatchMeeting, batchPlanOf } from '../core/batch-handler.ts'
import type { Cancel, Clock } from '../core/clock.ts'
import type { JobContext } from '../core/context.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError } from '../core/errors.ts'
import type { LockOfAttempt } from '../core/lock.ts'
import type { Seats } from './reserve.ts'
import type { Company, Held, Holdings } from './running.ts'

/** Jobs that are handled by one call, and take one place together. */
export class Group implements Company {
  readonly definition: AnyJob
  readonly members: readonly Held[]
  readonly #meeting: BatchMeeting
  readonly #joined = new Set<string>()
  /** Aborts when all attempts are over; made when the call asks for a lock. */
  #locks: AbortController | undefined
  #open: number

  constructor(job: AnyJob, plan: BatchPlan, members: readonly Held[], lock: LockOfAttempt) {
    this.members = members
    this.#open = members.length
    this.#meeting = new BatchMeeting(plan, members.length, (stop) => {
      this.#locks ??= new AbortController()
      if (this.#open === 0) this.#locks.abort(batchOver(job))
      return lock(stop, this.#locks.signal)
    })
    const handler = (context: JobContext): Promise<unknown> => {
      this.#joined.add(context.id)
      return this.#meeting.join(context)
    }
    this.definition = { ...job, handler }
    for (const held of members) held.group = this
  }

  /** Jobs whose attempts have not ended. */
  get open(): number {
    return this.#open
  }

  /** The attempt of one has ended; one that never came to the handler is not waited for. */
  ended(held: Held): void {
    this.#open--
    if (!this.#joined.has(held.job.id)) this.#meeting.leave()
    if (this.#open === 0) this.#locks?.abort(batchOver(this.definition))
  }
}

export interface GathererParts {
  readonly clock: Clock
  readonly holdings: Holdings
  readonly definitions: ReadonlyMap<string, AnyJob>
  /** Runs jobs as soon as there is room, each by itself. */
  readonly run: (held: readonly Held[]) => void
  /** The same for jobs that are handled together. */
  readonly runGroup: (group: Group) => void
  /** For the call as a whole. */
  readonly lock: LockOfAttempt
  /** Gives back a job that has not begun. */
  readonly handBack: (held: Held) => void
}

interface Gathering {
  readonly job: AnyJob
  readonly plan: BatchPlan
  readonly members: Held[]
  readonly cancel: Cancel
}

/**
 * Between admission and the runner: jobs whose handler takes many wait here until there are enough of them, or the first
 * has waited long enough. All others pass at once, and so do suspects: they are run alone.
 */
export class Gatherer {
  readonly #parts: GathererParts
  readonly #plans = new Map<string, BatchPlan>()
  readonly #gathering = new Map<string, Gathering>()
  readonly #groups = new Set<Group>()
  #closed = false

  constructor(parts: GathererParts) {
    this.#parts = parts
    for (const { name, handler } of parts.definitions.values()) {
      const plan = batchPlanOf(handler)
      if (plan) this.#plans.set(name, plan)
    }
  }

  take(jobs: readonly Held[]): void {
    if (this.#plans.size === 0) return this.#parts.run(jobs)
    const alone = jobs.filter((held) => !this.#gather(held))
    if (alone.length > 0) this.#parts.run(alone)
  }

  /** Held jobs that need no place of their own: they are being gathered, or another of their group has it. */
  get sharing(): number {
    let sum = 0
    for (const { members } of this.#gathering.values()) sum += members.length
    for (const group of this.#groups) {
      if (group.open === 0) this.#groups.delete(group)
      else sum += group.open - 1
    }
    return sum
  }

  /** How many more would fill up what is being gathered. */
  get missing(): number {
    let sum = 0
    for (const { members, plan } of this.#gathering.values()) sum += plan.size - members.length
    return sum
  }

  /** Undefined for a job that has a place of its own. One with `per` counts as such: who comes may not fit in with the others. */
  seatsOf(name: string): Seats | undefined {
    const plan = this.#plans.get(name)
    if (!plan || plan.per) return undefined
    const { size } = plan
    const gathering = [...this.#gathering.values()].find(({ job }) => job.name === name)
    return { size, missing: gathering ? size - gathering.members.length : 0 }
  }

  /** Waits no longer for others. */
  flush(): void {
    for (const place of this.#gathering.keys()) this.#flush(place)
  }

  /** What has not begun goes back at once, also what a claim under way still brings. */
  close(): void {
    this.#closed = true
    for (const { members, cancel } of this.#gathering.values()) {
      cancel()
      for (const held of members) this.#parts.handBack(held)
    }
    this.#gathering.clear()
  }

  /** False for a job that is run by itself. */
  #gather(held: Held): boolean {
    const plan = this.#plans.get(held.job.name)
    const job = this.#parts.definitions.get(held.job.name)
    if (job !== definitionFor(this.#parts.definitions, held.job)) return false // an older version, that it is pinned to
    if (!plan || !job || this.#closed || held.job.crashes > 0 || held.job.late || held.broken !== undefined)
      return false
    const place = placeOf(plan, held)
    if (place === undefined) return false
    this.#parts.holdings.add(held)
    const known = this.#gathering.get(place) ?? this.#begin(place, job, plan)
    known.members.push(held)
    held.shared = known
    if (known.members.length >= plan.size) this.#flush(place)
    return true
  }

  #begin(place: string, job: AnyJob, plan: BatchPlan): Gathering {
    const cancel = this.#parts.clock.after(plan.wait, () => this.#flush(place))
    const gathering = { job, plan, members: [], cancel }
    this.#gathering.set(place, gathering)
    return gathering
  }

  #flush(place: string): void {
    const gathering = this.#gathering.get(place)
    if (!gathering) return
    this.#gathering.delete(place)
    gathering.cancel()
    const members = gathering.members.filter((held) => !held.lost)
    for (const held of gathering.members) if (held.lost) this.#parts.holdings.remove(held)
    if (members.length === 0) return
    const group = new Group(gathering.job, gathering.plan, members, this.#parts.lock)
    this.#groups.add(group)
    this.#parts.runGroup(group)
  }
}

function batchOver({ name }: AnyJob): LegworkError {
  return new LegworkError('LW_LOCK_LOST', `All jobs of this batch (${name}) have ended, and its locks were freed.`)
}

/** Undefined when the user's function has thrown, which fails the attempt. */
function placeOf({ per }: BatchPlan, held: Held): string | undefined {
  const { name, input } = held.job
  try {
    const value = per?.((input === null ? undefined : JSON.parse(input)) as never)
    return JSON.stringify([name, value ?? null])
  } catch (error) {
    held.broken = error ?? new Error('a function of a batch handler threw nothing')
    return undefined
  }
}

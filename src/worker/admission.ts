import { LegworkError } from '../core/errors.ts'
import type { AnyJob } from '../core/definition.ts'
import { type Ask, asksOf, type LimitPlan, plainPlan, queuePrefix } from '../core/limit.ts'
import type { ClaimedJob } from '../store/queries/claimed-job.ts'
import type { LaneName } from '../store/queries/lanes.ts'
import type { Store } from '../store/store.ts'
import { Held, type Holdings } from './running.ts'

export interface AdmissionParts {
  readonly store: Store
  readonly holdings: Holdings
  readonly definitions: ReadonlyMap<string, AnyJob>
  readonly workerId: () => number
  readonly queueName: (queueId: number) => string
  /** The limits that there are, by name. */
  readonly limits: () => ReadonlySet<string>
  /** Runs jobs as soon as there is room. */
  readonly run: (held: readonly Held[]) => void
  /** Jobs became ready in these lanes, and others will be let in after so many milliseconds. */
  readonly onMoved: (woken: readonly LaneName[], dueIn: number | undefined) => void
}

interface Limited {
  readonly job: ClaimedJob
  readonly asks: readonly Ask[]
}

const noLimits: readonly LimitPlan[] = Object.freeze([])

/**
 * Between the claim and the handler: jobs with a limit ask for their places, all those of a claim in one statement. What
 * has no limit passes at once.
 */
export class Admission {
  readonly #parts: AdmissionParts
  /** By name and queue; made anew when limits come or go. */
  #plans = new Map<string, Map<number, readonly LimitPlan[]>>()
  #known: ReadonlySet<string> | undefined

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** Resolves when it is decided about all; nothing to wait for when none of them has a limit. */
  take(jobs: readonly ClaimedJob[]): Promise<void> | undefined {
    const { run, holdings } = this.#parts
    const limited: Limited[] = []
    const free: Held[] = []
    for (const job of jobs) {
      const plans = this.#plansOf(job)
      const asks = plans.length > 0 && !job.late ? this.#asksOf(job, plans, jobs.length) : []
      if (job.late) free.push(this.#hold(job, jobs.length, plans.length > 0)) // a place may be kept for it
      else if (asks instanceof Held) free.push(asks)
      else if (asks.length > 0) limited.push({ job, asks })
      else free.push(this.#hold(job, jobs.length))
    }
    const [first] = limited
    if (!first) {
      run(free)
      return undefined
    }
    // the lease is of all jobs of the claim: it must not go with those that have no limit
    holdings.expect(first.job.batch, 1)
    if (free.length > 0) run(free)
    return this.#admit(first.job, limited, free.length === 0, jobs.length).finally(() =>
      holdings.expect(first.job.batch, -1),
    )
  }

  async #admit(
    { slot, batch }: ClaimedJob,
    limited: readonly Limited[],
    alone: boolean,
    companions: number,
  ): Promise<void> {
    const { store, workerId, run, onMoved } = this.#parts
    const jobs = limited.map(({ job: { id, claim }, asks }) => ({ id, claim, asks }))
    const admitted = await store.admit({ slot, workerId: workerId(), batch, alone, jobs })
    const held = limited.flatMap(({ job }) => {
      if (admitted.ids.has(job.id)) return [this.#hold(job, companions, true)]
      return admitted.cancelled.has(job.id) ? [this.#cancelled(job, companions)] : []
    })
    if (held.length > 0) run(held)
    onMoved(admitted.woken, admitted.dueIn)
  }

  #hold(job: ClaimedJob, companions: number, limited = false): Held {
    const held = new Held(job, this.#parts.queueName(job.queueId), companions)
    if (limited) held.limited = true
    return held
  }

  /** It is not run, but it may have steps to undo. */
  #cancelled(job: ClaimedJob, companions: number): Held {
    const held = this.#hold(job, companions)
    held.stop.abort(new LegworkError('LW_JOB_CANCELLED', `Job ${job.id} (${job.name}) was cancelled.`))
    return held
  }

  /** What the user's functions throw fails the attempt. */
  #asksOf(job: ClaimedJob, plans: readonly LimitPlan[], companions: number): readonly Ask[] | Held {
    try {
      return asksOf(plans, job.key, () => (job.input === null ? undefined : JSON.parse(job.input)))
    } catch (error) {
      const held = this.#hold(job, companions)
      held.broken = error ?? new Error('a function of a limit threw nothing')
      return held
    }
  }

  #plansOf({ name, queueId }: ClaimedJob): readonly LimitPlan[] {
    const limits = this.#parts.limits()
    if (limits !== this.#known) this.#plans = new Map()
    this.#known = limits
    const known = this.#plans.get(name)?.get(queueId)
    if (known) return known
    const plans = this.#findPlans(name, queueId, limits)
    const ofName = this.#plans.get(name) ?? new Map<number, readonly LimitPlan[]>()
    this.#plans.set(name, ofName.set(queueId, plans))
    return plans
  }

  /** Those of the definition, and those that were set for its name or its queue at run time. */
  #findPlans(name: string, queueId: number, limits: ReadonlySet<string>): readonly LimitPlan[] {
    const { definitions, queueName } = this.#parts
    const own = definitions.get(name)?.limits ?? noLimits
    const queue = `${queuePrefix}${queueName(queueId)}`
    const others = [name, queue].filter((other) => limits.has(other) && !own.some((plan) => plan.name === other))
    return others.length === 0 ? own : [...own, ...others.map(plainPlan)]
  }
}

import { firingOf, type FiringKind, type StoredFiring } from '../core/firing.ts'
import type { NewJob } from '../store/queries/enqueue.ts'
import type { NewFiring } from '../store/queries/firings.ts'
import type { NewState, ScheduleRow, ScheduleState } from '../store/queries/schedules.ts'
import type { FiringPlan, PlannedJob, Standing } from '../store/scheduling.ts'
import { decide, type Decision } from './decide.ts'
import { placed } from './state.ts'
import { type Instants, timetableOf } from './timetables.ts'
import { endOfWindow } from './window.ts'

/** Makes the job of a firing whose input is a function. */
export type InputMaker = (firing: ReturnType<typeof firingOf>) => Promise<NewJob>

export interface PlanParts {
  /** For schedules whose code is in this process. */
  readonly makerOf: (id: string) => InputMaker | undefined
}

/** What is to be done about a schedule at this moment; nothing when it is not due any more. */
export async function planDue(standing: Standing, now: Date, parts: PlanParts): Promise<FiringPlan> {
  const { row } = standing
  if (!row.dueAt || row.dueAt > now) return unchanged(row)
  const awake = row.pausedAt ? { ...row, ...resumed(row, row.pausedUntil ?? now) } : row
  if (hasFailed(standing)) {
    const pauseReason = `${row.policy.pauseAfterFailures} runs in a row have failed`
    return { ...unchanged(row), state: paused(awake, now, pauseReason, itself) }
  }
  if (row.policy.fixedDelay !== undefined)
    return planDelayed({ ...standing, row: awake }, row.policy.fixedDelay, now, parts)
  const { nextAt, dueAt } = awake
  if (!nextAt) return { ...unchanged(row), state: { ...stateOf(awake), dueAt: undefined } }
  const table = timetableOf(row.spec, row.id)
  const { live } = standing
  const decision = decide({ id: row.id, policy: row.policy, table, nextAt, dueAt, live, runs: row.runs, now })
  return planOf(awake, live, decision, await jobsOf(awake, decision, table, parts))
}

/** A firing that somebody asks for. */
export async function planAsked(
  { row, live }: Standing,
  nominals: readonly Date[],
  kind: FiringKind,
  parts: PlanParts,
  afterOf: (place: number) => PlannedJob['after'] = () => [],
): Promise<FiringPlan> {
  const table = timetableOf(row.spec, row.id)
  const jobs: PlannedJob[] = []
  for (const [place, nominal] of nominals.entries())
    jobs.push(await jobOf(row, { nominal, kind, after: afterOf(place) }, table.previous(nominal), parts))
  return { ...unchanged(row), state: { ...stateOf(row), live }, jobs }
}

/** It goes on at the first instant from `from` on. */
export function resumed(row: ScheduleRow, from: Date): NewState {
  const table = timetableOf(row.spec, row.id)
  const nextAt = row.policy.fixedDelay === undefined ? table.next(new Date(from.getTime() - 1)) : from
  return { ...stateOf(row), ...placed(row, nextAt, table, from), ...awakeState, countedFrom: from }
}

/** @param by undefined for the database role */
export function paused(
  row: ScheduleState,
  now: Date,
  reason: string,
  by: string | undefined,
  until?: Date,
): ScheduleState {
  return { ...stateOf(row), dueAt: until, pausedAt: now, pausedUntil: until, pausedBy: by, pauseReason: reason }
}

/** Who changes a pause that nobody has asked to be changed. */
const itself = 'legwork'

/** Nothing is done and nothing changes. */
export function unchanged(row: ScheduleRow): FiringPlan {
  const { id, policy } = row
  return {
    id,
    state: stateOf(row),
    jobs: [],
    notes: [],
    stop: undefined,
    tracks: policy.overlap !== 'allow',
    by: itself,
  }
}

/** Tries of a schedule that cannot be fired before it is paused. */
const mostTrouble = 5

/** It could not be fired: tried again a few times, later each time, then paused. */
export function troubled(row: ScheduleRow, now: Date, error: unknown): FiringPlan {
  const trouble = row.trouble + 1
  const state = { ...stateOf(row), trouble }
  const reason = error instanceof Error ? error.message : String(error)
  if (trouble >= mostTrouble) return { ...unchanged(row), state: { ...paused(state, now, reason, itself), trouble: 0 } }
  return { ...unchanged(row), state: { ...state, dueAt: new Date(now.getTime() + 1_000 * 4 ** (trouble - 1)) } }
}

const awakeState = { pausedAt: undefined, pausedUntil: undefined, pausedBy: undefined, pauseReason: undefined }

/** The states in which a job has failed: dead, or not all of it could be undone. */
const failedStates: readonly number[] = [11, 14]
const cancelledState = 12

function hasFailed({ row, recent }: Standing): boolean {
  const most = row.policy.pauseAfterFailures
  if (most === undefined) return false
  const ends = recent.filter((state) => state !== cancelledState).slice(0, most)
  return ends.length === most && ends.every((state) => failedStates.includes(state))
}

/**
 * From the end of a run to the next one. While a run goes on the next cannot be due before a whole delay from now, so that is
 * when to look again: then its end is known, or it goes on still.
 */
async function planDelayed(
  { row, live, endedAt }: Standing,
  delay: number,
  now: Date,
  parts: PlanParts,
): Promise<FiringPlan> {
  const later = new Date(now.getTime() + delay)
  const nominal = endedAt ? new Date(endedAt.getTime() + delay) : (row.nextAt ?? now)
  if (live.length > 0) return { ...unchanged(row), state: { ...stateOf(row), nextAt: later, dueAt: later } }
  if (nominal > now) return { ...unchanged(row), state: { ...stateOf(row), nextAt: nominal, dueAt: nominal } }
  const job = await jobOf(row, { nominal, kind: 'scheduled', after: [] }, row.lastAt, parts)
  const isOver = row.policy.maxRuns !== undefined && row.runs + 1 >= row.policy.maxRuns
  const next = isOver ? undefined : later
  const state = { ...stateOf(row), live: [], nextAt: next, dueAt: next, lastAt: nominal, trouble: 0 }
  return { ...unchanged(row), state, jobs: [job] }
}

function planOf(
  row: ScheduleRow,
  live: readonly string[],
  decision: Decision,
  jobs: readonly PlannedJob[],
): FiringPlan {
  const { missed, left, next, last, stop } = decision
  const notes: NewFiring[] = [
    ...missed.map(({ from, until, count, more, reason }) => ({
      schedule: row.id,
      nominal: from,
      outcome: 'missed' as const,
      kind: 'scheduled' as const,
      until,
      count,
      more,
      reason,
    })),
    ...left.map(({ nominal, reason }) => ({
      schedule: row.id,
      nominal,
      outcome: 'skipped' as const,
      kind: 'scheduled' as const,
      reason,
    })),
  ]
  const state: NewState = {
    ...stateOf(row),
    live,
    nextAt: next?.nominal,
    dueAt: next?.due,
    ...(next?.choices && { choices: next.choices }),
    lastAt: last ?? row.lastAt,
    missed: row.missed + missed.reduce((sum, { count }) => sum + count, 0),
    skipped: row.skipped + left.length,
    trouble: 0,
  }
  return { ...unchanged(row), state, jobs, notes, stop }
}

async function jobsOf(
  row: ScheduleRow,
  { runs }: Decision,
  table: Instants,
  parts: PlanParts,
): Promise<readonly PlannedJob[]> {
  const jobs: PlannedJob[] = []
  for (const { nominal, isCatchUp, after } of runs) {
    const kind = isCatchUp ? 'catchUp' : 'scheduled'
    jobs.push(await jobOf(row, { nominal, kind, after }, table.previous(nominal), parts))
  }
  return jobs
}

async function jobOf(
  row: ScheduleRow,
  { nominal, kind, after }: Omit<PlannedJob, 'row'>,
  previous: Date | undefined,
  { makerOf }: PlanParts,
): Promise<PlannedJob> {
  // the interval of the first run begins where the rule would have fired before
  const { startAt: _, ...always } = row.spec
  const from =
    previous ?? (row.policy.fixedDelay === undefined ? timetableOf(always, row.id).previous(nominal) : row.createdAt)
  const stored: StoredFiring = {
    id: row.id,
    nominal: nominal.getTime(),
    ...(previous && { previous: previous.getTime() }),
    from: (from ?? nominal).getTime(),
    kind,
  }
  const made = row.dynamic ? await computed(row, stored, makerOf) : fixed(row)
  const own = made.options === null ? {} : (JSON.parse(made.options) as Record<string, unknown>)
  const { startDeadline } = row.policy
  const startBy = startDeadline !== undefined && (kind === 'scheduled' || kind === 'catchUp')
  const options = { ...own, ...(startBy && { startBy: lastStart(row, nominal, startDeadline) }), schedule: stored }
  return { nominal, kind, after, row: { ...made, options: JSON.stringify(options) } }
}

function lastStart({ id, spec, policy }: ScheduleRow, nominal: Date, startDeadline: number): number {
  return endOfWindow(nominal, policy.window, timetableOf(spec, id)).getTime() + startDeadline
}

function computed(row: ScheduleRow, stored: StoredFiring, makerOf: PlanParts['makerOf']): Promise<NewJob> {
  const make = makerOf(row.id)
  if (!make) throw new Error(`the input of schedule ${row.id} is a function, and its code is not in this process`)
  return make(firingOf(stored))
}

/** The job as it was stored when the schedule was saved. */
function fixed({ job, input }: ScheduleRow): NewJob {
  return {
    name: job.name,
    queue: job.queue,
    priority: job.priority,
    tags: job.tags,
    key: job.key,
    input,
    headers: job.headers ? JSON.stringify(job.headers) : null,
    options: job.options ? JSON.stringify(job.options) : null,
    runAt: undefined,
    delayMs: undefined,
    unique: undefined,
    trace: undefined,
  }
}

/** Only what changes while a schedule lives. */
export function stateOf(row: ScheduleState): ScheduleState {
  const { nextAt, dueAt, lastAt, live, runs, missed, skipped, trouble, countedFrom, zoneData } = row
  const { pausedAt, pausedUntil, pausedBy, pauseReason } = row
  return {
    nextAt,
    dueAt,
    lastAt,
    live,
    runs,
    missed,
    skipped,
    trouble,
    countedFrom,
    zoneData,
    pausedAt,
    pausedUntil,
    pausedBy,
    pauseReason,
  }
}

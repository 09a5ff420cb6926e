import { groupBy } from '../core/group.ts'
import type { FiringKind } from '../core/firing.ts'
import type { Connection, Queryable } from './connection.ts'
import { enqueueIn } from './enqueue.ts'
import { placeAll } from './placing.ts'
import { comeAfter } from './queries/after.ts'
import { cancel } from './queries/cancel.ts'
import type { NewJob } from './queries/enqueue.ts'
import {
  dueSchedules,
  endOf,
  type NewFiring,
  noteFirings,
  noteJobs,
  ofSameKey,
  recentEnds,
  takeSchedule,
  unfinished,
} from './queries/firings.ts'
import type { LaneName } from './queries/lanes.ts'
import {
  type Difference,
  differences,
  lockSchedules,
  type NewState,
  outdatedSchedules,
  saveDrafts,
  type ScheduleDraft,
  type ScheduleRow,
  type ScheduleState,
} from './queries/schedules.ts'
import { noteSettings } from './queries/settings.ts'
import { openTransaction } from './transaction/own.ts'

/** A schedule that somebody is about to decide on, with what the decision needs. */
export interface Standing {
  readonly row: ScheduleRow
  /** Unfinished runs, oldest first. */
  readonly live: readonly string[]
  /** Of a schedule with a fixed delay: when its last run ended. */
  readonly endedAt: Date | undefined
  /** Of one that is paused after failures: the states in which its newest runs ended, newest first. */
  readonly recent: readonly number[]
}

export interface PlannedJob {
  readonly nominal: Date
  readonly kind: FiringKind
  readonly row: NewJob
  /** What it comes after: ids of jobs, or places in the list. */
  readonly after: readonly (string | number)[]
}

/** What is to be done about a schedule, and how it stands afterwards. */
export interface FiringPlan {
  readonly id: string
  /** Without the jobs that are fired now. */
  readonly state: NewState
  readonly jobs: readonly PlannedJob[]
  readonly notes: readonly NewFiring[]
  readonly stop: { readonly ids: readonly string[]; readonly how: 'asked' | 'now' } | undefined
  /** Fires instants that have fired already. */
  readonly again?: boolean
  /** Whether it matters later that its runs are unfinished. */
  readonly tracks: boolean
  /** Who changes whether it is paused, where that changes; undefined for the database role. */
  readonly by: string | undefined
}

/** A job that was fired. */
export interface Fired {
  readonly schedule: string
  readonly nominal: Date
  readonly kind: FiringKind
  readonly job: string
  readonly row: NewJob
}

export interface Carried {
  readonly fired: readonly Fired[]
  /** Running jobs that were asked to stop, or whose workers must learn that they are gone. */
  readonly stopped: readonly string[]
  /** Jobs that were ended. */
  readonly ended: readonly string[]
  /** Those of them whose children may have to end with them. */
  readonly parents: readonly string[]
  readonly woken: readonly LaneName[]
}

export const nothingCarried: Carried = { fired: [], stopped: [], ended: [], parents: [], woken: [] }

/** Decides on what is due and carries it out, in one transaction: an instant is dealt with once, or nothing has happened. */
export function fireDue(
  connection: Connection,
  { own, most }: { readonly own: readonly string[]; readonly most: number },
  plan: (due: readonly Standing[], now: Date) => Promise<readonly FiringPlan[]>,
): Promise<{ readonly taken: readonly string[]; readonly carried: Carried }> {
  return connection.transaction(async (tx) => {
    const { rows, now } = await dueSchedules(tx, own, most)
    if (rows.length === 0) return { taken: [], carried: nothingCarried }
    const plans = await plan(await standings(tx, rows), now)
    return { taken: rows.map(({ id }) => id), carried: await carryOut(tx, rows, plans) }
  })
}

/** The same for one schedule, whether it is due or not; undefined when there is none of that id. */
export function fireOne(
  connection: Connection,
  id: string,
  plan: (standing: Standing, now: Date) => Promise<FiringPlan>,
): Promise<Carried | undefined> {
  return connection.transaction(async (tx) => {
    const found = await takeSchedule(tx, id)
    if (!found) return undefined
    const [standing] = await standings(tx, [found.row])
    return standing && carryOut(tx, [found.row], [await plan(standing, found.now)])
  })
}

/**
 * Writes schedules as they are given. `place` says from when on the rule of one counts that is new or has changed.
 * Returns the ids of those that differed.
 */
export async function saveSchedules(
  connection: Connection,
  drafts: readonly ScheduleDraft[],
  zoneData: string,
  place: (draft: ScheduleDraft, difference: Difference) => NewState,
): Promise<string[]> {
  if (drafts.length === 0 || (await differences(connection, drafts)).length === 0) return []
  return connection.transaction(async (tx) => {
    const ids = drafts.map(({ id }) => id)
    await lockSchedules(tx, ids)
    const found = new Map((await differences(tx, drafts)).map((difference) => [difference.id, difference]))
    const changed = drafts.filter(({ id }) => found.has(id))
    await saveDrafts(tx, changed, zoneData)
    const states = changed.flatMap((draft) => {
      const difference = found.get(draft.id)
      return difference && difference.what !== 'rest' ? [{ id: draft.id, ...place(draft, difference) }] : []
    })
    await placeAll(tx, states)
    return changed.map(({ id }) => id)
  })
}

/** Computes anew what older time zone data has made, at most 200 schedules a call; returns how many. */
export function renewZones(
  connection: Connection,
  zoneData: string,
  renew: (row: ScheduleRow, now: Date) => NewState,
): Promise<number> {
  return connection.transaction(async (tx) => {
    const { rows, now } = await outdatedSchedules(tx, zoneData)
    if (now)
      await placeAll(
        tx,
        rows.map((row) => ({ id: row.id, ...renew(row, now) })),
      )
    return rows.length
  })
}

async function standings(tx: Queryable, rows: readonly ScheduleRow[]): Promise<Standing[]> {
  const alive = await unfinished(tx, [...new Set(rows.flatMap(({ live }) => live))])
  const byKey = await ofSameKey(tx, rows.filter(isByKey))
  const all: Standing[] = []
  for (const row of rows) {
    const live = isByKey(row)
      ? byKey.flatMap(({ schedule, id }) => (schedule === row.id ? [id] : []))
      : row.live.filter((id) => alive.has(id))
    const { fixedDelay, pauseAfterFailures = 0 } = row.policy
    const last = row.live.at(-1)
    const endedAt =
      fixedDelay !== undefined && last !== undefined && !alive.has(last) ? await endOf(tx, last) : undefined
    // runs that wait or go on are among the newest, and say nothing yet
    const recent = pauseAfterFailures > 0 ? await recentEnds(tx, row, pauseAfterFailures + row.live.length) : []
    all.push({ row, live, endedAt, recent })
  }
  return all
}

function isByKey({ policy }: ScheduleRow): boolean {
  return policy.overlapScope === 'key'
}

/** Stops what must stop, notes the instants, adds the jobs of those that were not noted before. */
async function carryOut(tx: Queryable, rows: readonly ScheduleRow[], plans: readonly FiringPlan[]): Promise<Carried> {
  const stopped = await stopAll(tx, plans)
  const isNew = await noteAll(tx, plans)
  const planned = plans.flatMap((plan) =>
    plan.jobs.flatMap((job, place) => (isNew(plan.id, job.nominal) ? [{ plan, job, place }] : [])),
  )
  const added = await enqueueIn(
    openTransaction(tx),
    planned.map(({ job }) => job.row),
  )
  const jobs = planned.map((one, at) => ({ ...one, id: added[at]?.id ?? '' }))
  const idOf = new Map(jobs.map(({ plan, place, id }) => [`${place} ${plan.id}`, id]))
  const dependent = jobs.flatMap(({ id, plan, job }) => {
    const ids = job.after.flatMap((one) => (typeof one === 'string' ? one : (idOf.get(`${one} ${plan.id}`) ?? [])))
    return ids.length > 0 ? [{ id, after: { ids, policy: 'run' as const } }] : []
  })
  if (dependent.length > 0) await comeAfter(openTransaction(tx), dependent)
  const fired = jobs.map(({ plan, job, id }) => ({
    schedule: plan.id,
    nominal: job.nominal,
    kind: job.kind,
    job: id,
    row: job.row,
  }))
  await noteJobs(tx, fired)
  const firedOf = groupBy(fired, ({ schedule }) => schedule)
  await placeAll(
    tx,
    plans.map((plan) => ({ ...stateAfter(plan, firedOf.get(plan.id) ?? []), id: plan.id })),
  )
  await notePauses(tx, rows, plans)
  return { ...stopped, fired }
}

/** The history of a pause: only those that have changed are written. */
async function notePauses(tx: Queryable, rows: readonly ScheduleRow[], plans: readonly FiringPlan[]): Promise<void> {
  const before = new Map(rows.map((row) => [row.id, pauseOf(row)]))
  const changes = plans.flatMap(({ id, state, by }) => {
    const [from, to] = [before.get(id), pauseOf(state)]
    return from === undefined || from === to ? [] : [{ name: id, from, to, by }]
  })
  if (changes.length > 0) await noteSettings(tx, 'schedule', changes)
}

/** JSON text, as it is kept. */
function pauseOf({ pausedAt, pauseReason: reason, pausedUntil: until }: ScheduleState): string {
  return JSON.stringify({ paused: pausedAt !== undefined, reason, until })
}

/** What was fired by hand or backfilled is no run that the rule has made. */
function stateAfter({ state, tracks }: FiringPlan, fired: readonly Fired[]): NewState {
  const own = fired.filter(({ kind }) => kind === 'scheduled' || kind === 'catchUp')
  const live = tracks ? [...state.live, ...fired.map(({ job }) => job)] : []
  return { ...state, runs: state.runs + own.length, live }
}

async function noteAll(tx: Queryable, plans: readonly FiringPlan[]): Promise<(id: string, nominal: Date) => boolean> {
  const noted = new Set<string>()
  for (const [again, own] of groupBy(plans, (plan) => plan.again === true)) {
    const firings = own.flatMap(({ id, jobs, notes }) => [
      ...jobs.map(({ nominal, kind }) => ({ schedule: id, nominal, kind, outcome: 'fired' as const })),
      ...notes,
    ])
    for (const { schedule, nominal } of await noteFirings(tx, firings, again))
      noted.add(`${nominal.getTime()} ${schedule}`)
  }
  return (id, nominal) => noted.has(`${nominal.getTime()} ${id}`)
}

async function stopAll(tx: Queryable, plans: readonly FiringPlan[]): Promise<Omit<Carried, 'fired'>> {
  const stopped: string[] = []
  const ended: string[] = []
  const parents: string[] = []
  const woken: LaneName[] = []
  for (const { id, stop } of plans) {
    for (const job of stop?.ids ?? []) {
      const reason = `schedule ${id} has fired again`
      const answer = await cancel(tx, Number(BigInt(job) & 255n), job, reason, stop?.how === 'now')
      if (answer.outcome !== 'none') (answer.outcome === 'asked' ? stopped : ended).push(job)
      if (answer.isParent) parents.push(job)
      woken.push(...answer.woken)
    }
  }
  // a worker may still run one that was ended: it is told to look
  return { stopped: [...stopped, ...ended], ended, parents, woken }
}

import type { Ask } from '../../core/limit.ts'
import { type Queryable, repeatable } from '../connection.ts'
import type { LaneName } from './lanes.ts'

/** Jobs of one claim that ask for a place in their limits. */
export interface AdmitRequest {
  readonly slot: number
  readonly workerId: number
  readonly batch: number
  /** The claim has no other jobs. */
  readonly alone: boolean
  readonly jobs: readonly { readonly id: string; readonly claim: number; readonly asks: readonly Ask[] }[]
}

export interface Admitted {
  /** Those that may run; the others are blocked. */
  readonly ids: ReadonlySet<string>
  /** Those that would have to wait, and that somebody has asked to cancel: their worker ends them. */
  readonly cancelled: ReadonlySet<string>
  readonly woken: readonly LaneName[]
  /** Milliseconds until time alone makes room for somebody who waits. */
  readonly dueIn: number | undefined
}

/** What became of jobs that had places; the parallel lists are of one length. */
export interface Release {
  readonly ids: readonly string[]
  /** Whether each has completed or failed, for breakers; undefined for neither. */
  readonly passed?: readonly (boolean | undefined)[]
  /** Milliseconds for which an error asked to be left alone, 0 for none. */
  readonly slow?: readonly number[]
}

export interface Released {
  readonly woken: readonly LaneName[]
  readonly dueIn: number | undefined
  readonly turned: readonly BreakerTurn[]
}

/** A breaker that was opened or closed. */
export interface BreakerTurn {
  readonly name: string
  readonly open: boolean
  readonly reason: string | undefined
  /** Milliseconds until it lets jobs through to find out. */
  readonly openFor: number | undefined
}

/*
 * One statement for all limited jobs of a claim, so that what has no limit pays nothing and what has pays once per claim.
 * The logic is a function: it decides job after job, which no single query can, and the limiters are locked only while it
 * runs. Its commit does not wait for the disk, as that of the claim it belongs to does not. Repeatable: who has a place keeps it, who was put aside is not this claim's any more.
 */
const admitStatement = repeatable(
  'lw_admit',
  `select admitted::text[] as admitted, cancelled::text[] as cancelled, lanes, due, set_config('synchronous_commit', 'off', true) as relaxed
     from legwork.admit($1::smallint, $2::int, $3::int, $4::boolean, $5::bigint[], $6::int[], $7::int[], $8::text[], $9::text[], $10::float8[], $11::text[], $12::float8[])`,
)

/* In the transaction that moved the jobs, and after it: job rows are locked before limiters everywhere. */
const releaseStatement = repeatable(
  'lw_release',
  'select lanes, due, turned from legwork.release($1::smallint, $2::bigint[], $3::smallint[], $4::float8[])',
)

/* Limiters whose time has come, by a partial index; those that another process is at are passed over. */
const letInStatement = repeatable('lw_let_in', 'select lanes, due, more from legwork.let_in_due($1::int)')

const mendStatement = repeatable('lw_mend_permits', 'select lanes from legwork.mend_permits($1::smallint)')

const mendAllStatement = repeatable('lw_mend_limiters', 'select legwork.mend_limiters($1::smallint) as n')

const slowStatement = repeatable(
  'lw_slow_down',
  'select legwork.slow_down($1::smallint, $2::int, $3::bigint, $4::int, $5::float8, $6::text) as n',
)

/** Decides which of the jobs may run now, and puts the others aside. */
export async function admit(on: Queryable, request: AdmitRequest): Promise<Admitted> {
  const { slot, workerId, batch, alone, jobs } = request
  const asks = jobs.flatMap((job, place) => job.asks.map((ask) => ({ ...ask, job: place + 1 })))
  const [row] = await on.query<AdmitRow>(admitStatement, [
    slot,
    workerId,
    batch,
    alone,
    jobs.map((job) => job.id),
    jobs.map((job) => job.claim),
    asks.map((ask) => ask.job),
    asks.map((ask) => ask.name),
    asks.map((ask) => ask.instance),
    asks.map((ask) => ask.cost),
    asks.map((ask) => ask.share),
    asks.map((ask) => ask.weight),
  ])
  return {
    ids: new Set(row?.admitted),
    cancelled: new Set(row?.cancelled),
    woken: lanesOf(row?.lanes),
    dueIn: row?.due ?? undefined,
  }
}

/** Gives the places of jobs that were just moved to the next in line; jobs without places are harmless. */
export async function release(tx: Queryable, slot: number, { ids, passed, slow }: Release): Promise<Released> {
  const [row] = await tx.query<ReleaseRow>(releaseStatement, [
    slot,
    ids,
    ids.map((_, place) => verdictOf(passed?.[place])),
    slow ?? ids.map(() => 0),
  ])
  return { woken: lanesOf(row?.lanes), dueIn: row?.due ?? undefined, turned: (row?.turned ?? []).map(turnOf) }
}

/** Lets in where time has made room. */
export async function letIn(
  on: Queryable,
  most: number,
): Promise<{ woken: LaneName[]; dueIn: number | undefined; more: boolean }> {
  const [row] = await on.query<{ lanes: Lanes; due: number | null; more: boolean }>(letInStatement, [most])
  return { woken: lanesOf(row?.lanes), dueIn: row?.due ?? undefined, more: row?.more ?? false }
}

/** Takes back places that nobody uses. */
export async function mendPermits(on: Queryable, slot: number): Promise<LaneName[]> {
  const [row] = await on.query<{ lanes: Lanes }>(mendStatement, [slot])
  return lanesOf(row?.lanes)
}

/** Counts what limiters hold anew, and forgets those that nobody asks. */
export async function mendLimiters(on: Queryable, slot: number): Promise<void> {
  await on.query(mendAllStatement, [slot])
}

/** The limits of a running job with a rate, or the one of this name, let nobody begin for `ms`; how many that are. */
export async function slowDown(
  on: Queryable,
  workerId: number,
  job: { readonly id: string; readonly slot: number; readonly claim: number },
  ms: number,
  name: string | undefined,
): Promise<number | undefined> {
  const [row] = await on.query<{ n: number | null }>(slowStatement, [
    job.slot,
    workerId,
    job.id,
    job.claim,
    ms,
    name ?? null,
  ])
  return row?.n ?? undefined
}

type Lanes = readonly (readonly [queueId: number, priority: number])[] | null

interface AdmitRow extends Record<string, unknown> {
  readonly admitted: string[]
  readonly cancelled: string[]
  readonly lanes: Lanes
  readonly due: number | null
}

interface ReleaseRow extends Record<string, unknown> {
  readonly lanes: Lanes
  readonly due: number | null
  readonly turned: readonly { name: string; open: boolean; reason: string | null; ms: number | null }[] | null
}

function lanesOf(lanes: Lanes | undefined): LaneName[] {
  return (lanes ?? []).map(([queueId, priority]) => ({ queueId, priority }))
}

function turnOf({ name, open, reason, ms }: NonNullable<ReleaseRow['turned']>[number]): BreakerTurn {
  return { name, open, reason: reason ?? undefined, openFor: ms ?? undefined }
}

function verdictOf(passed: boolean | undefined): number {
  return passed === undefined ? 0 : passed ? 1 : 2
}

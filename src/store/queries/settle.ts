import { type Queryable, repeatable } from '../connection.ts'
import { expired } from '../../core/expiry.ts'
import { expiredCode, type FinalState, stateCode } from '../../core/states.ts'
import type { LaneName } from './lanes.ts'
import { blockKeys, handOn, type Keys, yieldKeys } from './keys.ts'
import { type BreakerTurn, release, type Released } from './limits.ts'
import { tell } from './tell.ts'

/** A job that ends, named with the claim it was run under: the fence. JSON values are text. */
export interface Ending {
  readonly id: string
  readonly claim: number
  readonly state: FinalState
  readonly output: string | null
  readonly error: string | null
  readonly reason: string | null
  /** Goes to the next in line. */
  readonly key?: string | undefined
  /** It failed and keeps its key: nothing of the key runs until a person decides. It ends in a transaction. */
  readonly keepsKey?: boolean
  /** Somebody waits for it: it ends in a transaction. */
  readonly awaited?: boolean
  /** It has places in limits, which go to the next in line: it ends in a transaction. */
  readonly limited?: boolean
  /** Milliseconds for which its error asked to be left alone, for limits with a rate and breakers. */
  readonly slow?: number
  /** It was claimed, but not run: no attempt counts. */
  readonly refused?: boolean
}

/** A job that will run again. */
export interface Return {
  readonly id: string
  readonly claim: number
  readonly outcome: 'retry' | 'snooze' | 'released' | 'parked' | 'restarted'
  /** Milliseconds until it is ready; 0 makes it ready now, Infinity (of a parked one) waits for a signal. */
  readonly delay: number
  /** How many wakes a parked one knows of; with more it is ready at once. */
  readonly wakes?: number
  /** What one that is restarted begins with; its input is JSON text. */
  readonly again?: { readonly input: string | null; readonly restarts: number }
  readonly error: string | null
  /** It gives up this key and goes to the end of its line; in a transaction. */
  readonly yields?: string | undefined
  /** As of an ending. */
  readonly limited?: boolean
  readonly slow?: number
  /** It had a deadline for its start, and has met it. */
  readonly begun?: boolean
}

export interface SettleScope {
  readonly slot: number
  readonly workerId: number
  /** Claims of this worker that end with these jobs; their leases go if every job was written. */
  readonly emptyBatches: readonly number[]
}

/*
 * The fence, as a hashed look-up: a join with the list could be turned round into a scan of the table. The worker is
 * part of it, because a crash of the server may undo a claim and another worker then gets the same claim number. When
 * all jobs have the same claim number, nearly always the first, $7 is that and nothing needs to be looked up.
 */
const fenced = `j.slot = $1::smallint and j.id = any($3::bigint[]) and j.worker_id = $2::int
       and case when $7::int is not null then j.claim = $7::int
             else ((j.id, j.claim) in (select u.id, u.claim from unnest($3::bigint[], $4::int[]) as u(id, claim))) is true end`

/*
 * One row: `ids` are those that were written, null when all were, as nearly always. $5 holds, by id, what is not the
 * common case of a completed job without output: {state, output, error, reason, keeps}; null when all jobs are common.
 *
 * $9: this statement is in a transaction. Outside of one it leaves jobs alone that others wait for: they have to be told in
 * the same commit. Then `awaited` is asked for in the same pass as the count.
 *
 * What the steps below read of `done` stands in front: a row is taken apart only up to the last column that is asked for.
 * A step that has nothing to do, as $5 or $8 (the keys) tell, does not read it at all.
 *
 * Keys: only the index of its primary key finds the rows of $8, and it walks over them in its own order; claims take them in
 * the same, so that the two cannot deadlock. A key that is waited for leaves a mark (see keys.ts). Whether it is must not be
 * a condition of the delete: that would be checked against an old version of a row that a claim is just changing.
 */
const finishStatement = repeatable(
  'lw_settle_finish',
  `with done as (
    delete from legwork.job j where ${fenced} and ($9::boolean or not j.awaited)
     returning case when $5::jsonb is null then 10::smallint else coalesce(($5::jsonb -> j.id::text ->> 'state')::smallint, 10) end as final,
       j.id, j.queue_id, j.name, j.key, case when $5::jsonb is not null then $5::jsonb -> j.id::text end as how,
       j.slot, j.priority, j.attempt, j.crashes, j.claim, j.worker_id, j.created_at, j.run_at, j.claimed_at, j.unique_key,
       j.tags, j.headers, j.trace, j.input, j.options, j.progress, j.cancel_reason, j.awaited
  ), kept as (
    insert into legwork.finished (slot, id, state, queue_id, priority, name, attempt, crashes, claim, worker_id, created_at, run_at,
        started_at, key, unique_key, tags, headers, trace, input, options, progress, output, error, reason)
      select slot, id, final, queue_id, priority, name, case when how ? 'refused' then attempt - 1 else attempt end, crashes, claim, worker_id,
        created_at, run_at, case when how ? 'refused' then null else claimed_at end, key, unique_key, tags, headers, trace, input, options, progress, how -> 'output', how -> 'error',
        case final when 12 then coalesce(cancel_reason, how ->> 'reason') else how ->> 'reason' end from done
  ), failed as (
    insert into legwork.attempt (slot, job_id, claim, attempt, worker_id, started_at, outcome, error)
      select slot, id, claim, attempt, worker_id, claimed_at, case final when 12 then 'cancelled' else 'dead' end, how -> 'error'
        from done where $5::jsonb is not null and final <> 10 and not how ? 'refused'
  ), released as (
    delete from legwork.key_holder k
     where k.slot = $1::smallint and k.key = any($8::text[]) and (k.job_id in (select id from done where key is not null and how -> 'keeps' is null)) is true
     returning k.name, k.key, k.waiting
  ), marked as (
    insert into legwork.key_holder (slot, name, key, waiting) select $1::smallint, name, key, true from released where waiting
  ), emptied as (
    delete from legwork.lease where worker_id = $2::int and batch = any($6::int[])
       and (select count(*) from done) = cardinality($3::bigint[])
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, s.n from (select queue_id, name, final, count(*) as c from done group by 1, 2, 3) d
       cross join lateral (values (3, -d.c), (d.final, d.c)) s(state, n)
  )
  select case when d.n < cardinality($3::bigint[]) then coalesce((select array_agg(id::text) from done), '{}') end as ids, r.names, r.keys, d.awaited
    from (select count(*) as n, array_agg(id::text) filter (where awaited) as awaited from done) d,
         (select array_agg(name) as names, array_agg(key) as keys from released where waiting) r`,
)

/** Unless a cancel came first: then the run is undone as it was. */
const beginsAgain = `$5::jsonb -> j.id::text ? 'again' and j.cancel_at is null`

/**
 * Back to scheduled, or to the tail of the ready order; $5 holds {outcome, delay, error, again} by id. A job whose cancel was
 * asked for does not come back: it is left out here, and the caller ends it as cancelled; until then its lease stays. One
 * with steps to undo comes back for that, at once.
 *
 * One that is restarted begins as if it had just been enqueued, for any version, with the input in `again`; what it remembers goes in the
 * same commit, and signals that it has taken with it. The ids stand in arrays, so that the primary keys find the rows.
 *
 * `begun` gives the transaction its id before the first seq is drawn, as the floors of the workers need it; the update
 * alone would draw first.
 */
const returnStatement = repeatable(
  'lw_settle_return',
  `with begun as materialized (select pg_current_xact_id()::text as id), back as (
    update legwork.job j
       set worker_id = null, seq = nextval('legwork.job_seq'),
           state = case when j.cancel_at is not null or ($5::jsonb -> j.id::text ->> 'delay')::float8 <= 0 or j.wakes > ($5::jsonb -> j.id::text ->> 'wakes')::int then 3
             when $5::jsonb -> j.id::text ->> 'outcome' = 'parked' then 4 else 1 end,
           run_at = case when ($5::jsonb -> j.id::text ->> 'delay')::float8 > 0
             then legwork.now() + ($5::jsonb -> j.id::text ->> 'delay')::float8 * interval '1 millisecond'
             when $5::jsonb -> j.id::text ->> 'outcome' = 'parked' then null else j.run_at end,
           attempt = case when ${beginsAgain} then 0 when $5::jsonb -> j.id::text ->> 'outcome' = 'retry' then j.attempt else j.attempt - 1 end,
           crashes = case when ${beginsAgain} then 0 else j.crashes end,
           input = case when ${beginsAgain} then $5::jsonb -> j.id::text -> 'again' -> 'input' else j.input end,
           options = case when ${beginsAgain} then (coalesce(j.options, '{}') - array['startBy', 'version', 'pin']) || jsonb_build_object('restarts', $5::jsonb -> j.id::text -> 'again' -> 'restarts')
             when $5::jsonb -> j.id::text ? 'begun' then j.options - 'startBy' else j.options end
     where (select id from begun) is not null and ${fenced}
       and (j.cancel_at is null or exists (select from legwork.step s where s.slot = $1::smallint and s.job_id = j.id and s.undoable))
     returning j.*, $5::jsonb -> j.id::text as how
  ), kept as (
    insert into legwork.attempt (slot, job_id, claim, attempt, worker_id, started_at, outcome, delay_ms, error)
      select slot, id, claim, attempt + case how ->> 'outcome' when 'retry' then 0 else 1 end, $2::int, claimed_at,
             how ->> 'outcome', (how ->> 'delay')::float8, how -> 'error' from back where how ->> 'outcome' not in ('parked', 'restarted')
  ), unwound as (
    insert into legwork.step (slot, job_id, name, place, state, error)
      select $1::smallint, id, '!undo', 0, 2, jsonb_build_object('kind', 'cancelled', 'reason', coalesce(cancel_reason, 'cancelled'))
        from back where cancel_at is not null
      on conflict do nothing
  ), forgotten as (
    delete from legwork.step s where s.slot = $1::smallint
       and s.job_id = any(array(select id from back where how ? 'again' and cancel_at is null))
  ), heard as (
    delete from legwork.signal s where s.slot = $1::smallint and s.taken_by is not null
       and s.job_id = any(array(select id from back where how ? 'again' and cancel_at is null))
  ), emptied as (
    delete from legwork.lease where worker_id = $2::int and batch = any($6::int[])
       and (select count(*) from back) = cardinality($3::bigint[])
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, s.state, sum(s.sign) from back cross join lateral (values (3::smallint, -1), (back.state, 1)) s(state, sign)
       where back.state <> 3 group by queue_id, name, s.state
  )
  select id::text as id, queue_id, priority, state from back`,
)

/* Counted as expired instead. Not in the statement above: few jobs expire, and all would pay. */
const expiredStatement = repeatable(
  'lw_settle_expired',
  `insert into legwork.tally (queue_id, name, state, n)
     select f.queue_id, f.name, s.state, s.sign * count(*)
       from legwork.finished f cross join (values (${stateCode.cancelled}, -1), (${expiredCode}, 1)) s(state, sign)
      where f.slot = $1::smallint and f.id = any($2::bigint[]) and f.state = ${stateCode.cancelled} group by 1, 2, 3, s.sign`,
)

export interface Settled {
  /** Ids that were ours; the others had been lost. */
  readonly ids: ReadonlySet<string>
  /** Keys that were freed and have to be handed over, in a transaction of their own. */
  readonly freed?: Keys
  /** Lanes in which this made jobs ready. */
  readonly woken: readonly LaneName[]
  /** Milliseconds until a limit lets somebody in by time alone. */
  readonly dueIn?: number | undefined
  /** Breakers that this opened or closed. */
  readonly turned?: readonly BreakerTurn[]
}

/**
 * Ends jobs: moves each row that is still ours from `job` to `finished`, frees its key and, in a transaction, hands that over
 * and tells who waits for it. Outside of one (`alone`) the jobs that are waited for stay, and `freed` has the keys.
 */
export async function finish(
  on: Queryable,
  scope: SettleScope,
  endings: readonly Ending[],
  alone = false,
): Promise<Settled> {
  const keys = endings.flatMap(({ key }) => key ?? [])
  const [row] = await on.query<FinishRow>(finishStatement, [
    scope.slot,
    scope.workerId,
    arrayText(endings, (ending) => ending.id),
    commonClaim(endings) === null ? arrayText(endings, (ending) => ending.claim) : null,
    endings.some(isRemarkable) ? byId(endings.filter(isRemarkable), remarksOf) : null,
    scope.emptyBatches,
    commonClaim(endings),
    keys,
    !alone,
  ])
  const ids = new Set(row?.ids ?? endings.map((ending) => ending.id))
  const freed = row?.names && row.keys ? { names: row.names, keys: row.keys } : undefined
  const kept = endings.filter((ending) => ending.keepsKey && ids.has(ending.id))
  if (kept.length > 0) await blockKeys(on, scope.slot, kept)
  const late = endings.filter((ending) => isExpired(ending) && ids.has(ending.id))
  if (late.length > 0) await on.query(expiredStatement, [scope.slot, late.map(({ id }) => id)])
  if (alone) return { ids, woken: [], ...(freed && { freed }) }
  const woken = freed ? await handOn(on, scope.slot, freed) : []
  if (row?.awaited) woken.push(...(await tell(on, scope.slot, row.awaited)))
  return withReleased({ ids, woken }, await freePlaces(on, scope.slot, endings, ids, hasPassed))
}

/** It had not started in time. It ends in a transaction, because it is counted apart. */
export function isExpired({ refused, reason }: Ending): boolean {
  return refused === true && reason === expired
}

interface FinishRow extends Record<string, unknown> {
  readonly ids: string[] | null
  readonly names: string[] | null
  readonly keys: string[] | null
  readonly awaited: string[] | null
}

/** Sends jobs back to wait for another run. */
export async function giveBack(tx: Queryable, scope: SettleScope, returns: readonly Return[]): Promise<Settled> {
  const rows = await tx.query<{ id: string; queue_id: number; priority: number; state: number }>(returnStatement, [
    scope.slot,
    scope.workerId,
    returns.map((item) => item.id),
    returns.map((item) => item.claim),
    byId(returns, returnJson),
    scope.emptyBatches,
    commonClaim(returns),
  ])
  const ready = rows.filter((row) => row.state === stateCode.ready)
  const ids = new Set(rows.map((row) => row.id))
  const woken = ready.map((row) => ({ queueId: row.queue_id, priority: row.priority }))
  const yielding = returns.filter((item) => item.yields !== undefined && ids.has(item.id))
  if (yielding.length > 0) woken.push(...(await yieldKeys(tx, scope.slot, yielding)))
  return withReleased({ ids, woken }, await freePlaces(tx, scope.slot, returns, ids, hasFailed))
}

/** Of what was written only: the places of a job that another worker has taken over are that one's. */
async function freePlaces<T extends Ending | Return>(
  tx: Queryable,
  slot: number,
  items: readonly T[],
  written: ReadonlySet<string>,
  passed: (item: T) => boolean | undefined,
): Promise<Released | undefined> {
  const limited = items.filter((item) => item.limited && written.has(item.id))
  if (limited.length === 0) return undefined
  const ids = limited.map((item) => item.id)
  return release(tx, slot, { ids, passed: limited.map(passed), slow: limited.map((item) => item.slow ?? 0) })
}

function withReleased(settled: Settled, released: Released | undefined): Settled {
  return released ? { ...settled, ...released, woken: [...settled.woken, ...released.woken] } : settled
}

/** For a breaker; a job that was cancelled says nothing about what it needs. */
function hasPassed({ state, error }: Ending): boolean | undefined {
  return state === 'completed' ? true : error === null || state === 'cancelled' ? undefined : false
}

function hasFailed({ outcome }: Return): boolean | undefined {
  return outcome === 'retry' ? false : undefined
}

/** The claim number that all have, if they have one in common. */
function commonClaim(items: readonly { readonly claim: number }[]): number | null {
  const first = items[0]?.claim ?? null
  return items.every((item) => item.claim === first) ? first : null
}

/** An array of numbers as PostgreSQL reads it. The driver would quote and escape every one. */
function arrayText<T>(items: readonly T[], number: (item: T) => string | number): string {
  return `{${items.map(number).join(',')}}`
}

function remarksOf({ state, output, error, reason, refused, keepsKey }: Ending): string {
  const marks = `${refused ? ',"refused":true' : ''}${keepsKey ? ',"keeps":true' : ''}`
  return `{"state":${stateCode[state]},"output":${output},"error":${error},"reason":${JSON.stringify(reason)}${marks}}`
}

function returnJson({ outcome, delay, error, wakes, again, begun }: Return): string {
  const until = Number.isFinite(delay) ? delay : null
  return `{"outcome":"${outcome}","delay":${until},"error":${error},"wakes":${wakes ?? null}${again ? `,"again":${againJson(again)}` : ''}${begun ? ',"begun":true' : ''}}`
}

/** Without an input the property is left out: JSON null would be an input. */
function againJson({ input, restarts }: NonNullable<Return['again']>): string {
  return `{"restarts":${restarts}${input === null ? '' : `,"input":${input}`}}`
}

function isRemarkable(ending: Ending): boolean {
  return ending.state !== 'completed' || ending.output !== null
}

/** A JSON object by id. Joined by hand: the values hold JSON text already. */
function byId<T extends { readonly id: string }>(items: readonly T[], json: (item: T) => string): string {
  return `{${items.map((item) => `"${item.id}":${json(item)}`).join(',')}}`
}

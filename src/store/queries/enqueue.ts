import type { BoundNote } from '../../core/bound.ts'
import type { UniqueRule } from '../../core/unique.ts'
import { once, type Queryable } from '../connection.ts'
import { openTransaction } from '../transaction/own.ts'
import type { Transaction } from '../transaction/transaction.ts'
import type { After } from './after.ts'
import { mergeIn, type Merging } from './merge.ts'

/** A job about to be added; `input`, `headers` and `options` are JSON text already. */
export interface NewJob {
  readonly name: string
  readonly input: string | null
  readonly queue: string
  readonly priority: number
  readonly runAt: Date | undefined
  readonly delayMs: number | undefined
  readonly key: string | undefined
  readonly unique: string | undefined
  readonly tags: readonly string[]
  readonly headers: string | null
  readonly trace: string | undefined
  readonly options: string | null
  readonly after?: After | undefined
  /** Which jobs are the same, beyond a unique text. */
  readonly rule?: UniqueRule | undefined
  /** The idempotency key. */
  readonly once?: { readonly value: string; readonly keepMs?: number } | undefined
  /** What its rule, or a bound that is full, makes of the input of a waiting job; JSON text. */
  readonly merge?: Merging | undefined
}

export interface Enqueued {
  readonly id: string
  /** False when an unfinished job already held the unique key; `id` is that one's. */
  readonly created: boolean
  /** What became of the call then. */
  readonly conflict?: Conflict | undefined
  /** What bounds did because they had no room for it. */
  readonly notes?: readonly BoundNote[] | undefined
}

export type Conflict = 'ignored' | 'replaced' | 'merged'

/** The same SQL function that plain-SQL producers use: one text parameter, so that any library's transaction can send it. */
export const enqueueStatement = once(
  'lw_enqueue',
  'select ord, id::text as id, created, bounds::text as bounds from legwork.enqueue_many($1::jsonb)',
)

/** In whatever library's transaction: one text parameter. */
const inputsText = `select o.id::text as id, o.input::text as input
  from jsonb_array_elements_text($1::jsonb) u(id)
  join legwork.job o on o.slot = (u.id::bigint & 255)::smallint and o.id = u.id::bigint`

/**
 * The same for the engine's own sessions and jobs of one kind that have an input and nothing else, as nearly always: 5 µs
 * a job where the function takes 9. The values come apart already, nothing is looked up per job, and without a conflict
 * to expect a row is inserted in one step instead of two.
 *
 * `begun` gives the transaction its id before the first seq is drawn, as the floors of the workers need it. When the
 * queue is missing, or has bounds, nothing is added, and `ids` is null.
 */
const plainStatement = once(
  'lw_enqueue_plain',
  `with begun as materialized (select pg_current_xact_id()::text as id), place as materialized (
    select q.id, q.slot from legwork.queue q where q.name = $1::text and not q.bounded and (select id from begun) is not null
  ), added as (
    insert into legwork.job (slot, id, queue_id, priority, seq, state, name, input)
      select slot, (seq << 8) | slot, queue_id, $3::smallint, seq, 3, $2::text, input
        from (select place.id as queue_id, place.slot, nextval('legwork.job_seq') as seq, u.input
                from place cross join jsonb_array_elements($4::jsonb) u(input)) given
      returning id
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n) select id, $2::text, 3, jsonb_array_length($4::jsonb) from place
  )
  select array_agg(id order by id)::text as ids from added`,
)

/** The same for jobs of several kinds and all they may have but a unique key. A column that no job has is null as a whole. */
const columnsStatement = once(
  'lw_enqueue_columns',
  `with begun as materialized (select pg_current_xact_id()::text as id), place as materialized (
    select array_agg(q.id order by n.ord) as ids, array_agg(q.slot order by n.ord) as slots
      from unnest($1::text[]) with ordinality n(name, ord) join legwork.queue q on q.name = n.name and not q.bounded
     where (select id from begun) is not null
    having count(*) = cardinality($1::text[])
  ), given as (
    select place.ids[u.kind] as queue_id, place.slots[u.kind] as slot, ($2::text[])[u.kind] as name, ($3::smallint[])[u.kind] as priority,
           nextval('legwork.job_seq') as seq, case when u.blank is null then u.input end as input, u.key, u.trace,
           coalesce(u.run_at, legwork.now() + u.delay * interval '1 millisecond') as run_at, u.headers::jsonb as headers, u.options::jsonb as options,
           case when u.tags is not null then array(select jsonb_array_elements_text(u.tags::jsonb)) end as tags
      from place cross join rows from (
             jsonb_array_elements($4::jsonb), unnest($5::int[]), unnest($6::int[]), unnest($7::text[]), unnest($8::timestamptz[]),
             unnest($9::float8[]), unnest($10::text[]), unnest($11::text[]), unnest($12::text[]), unnest($13::text[])
           ) u(input, kind, blank, key, run_at, delay, tags, headers, trace, options)
  ), added as (
    insert into legwork.job (slot, id, queue_id, priority, seq, state, name, run_at, key, line, trace, input, headers, options, tags)
      select slot, (seq << 8) | slot, queue_id, priority, seq, case when run_at > legwork.now() then 1 else 3 end, name, run_at,
             key, case when key is not null then seq end, trace, input, headers, case when options is not null then legwork.with_deadline(options, null, run_at) end, tags from given
      returning id, queue_id, name, state
  ), counted as (
    insert into legwork.tally (queue_id, name, state, n)
      select queue_id, name, state, count(*) from added group by queue_id, name, state
  )
  select array_agg(id order by id >> 8)::text as ids from added`,
)

/** Adds all jobs or none, in the order given; call it in a transaction. */
export async function enqueue(tx: Queryable, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  return (await enqueuePlain(tx, jobs)) ?? enqueueByFunction(tx, jobs)
}

/** The same in one statement, for jobs without a unique key; undefined when it takes more, and nothing was added. */
export async function enqueuePlain(on: Queryable, jobs: readonly NewJob[]): Promise<Enqueued[] | undefined> {
  return jobs.some((job) => job.unique !== undefined) ? undefined : enqueueColumns(on, jobs)
}

/** It makes queues that are missing, and asks the bounds of those that have some. In a transaction when jobs may be merged. */
export async function enqueueByFunction(on: Queryable, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const added = enqueuedOf(await on.query(enqueueStatement, [enqueuePayload(jobs)]), jobs)
  return mergeCoalesced(openTransaction(on), jobs, added)
}

/** Merges the calls that a full queue has coalesced into jobs that wait; in the transaction that did so. */
export async function mergeCoalesced(
  tx: Transaction,
  jobs: readonly NewJob[],
  added: readonly Enqueued[],
): Promise<Enqueued[]> {
  const merges = added.map(({ conflict }, place) => (conflict === 'replaced' ? jobs[place]?.merge : undefined))
  const ids = added.flatMap(({ id }, place) => (merges[place] ? [id] : []))
  if (ids.length === 0) return [...added]
  const rows = await tx.query(inputsText, [JSON.stringify([...new Set(ids)])])
  const waiting = new Map(rows.map(({ id, input }) => [String(id), input as string | null]))
  await mergeIn(
    tx,
    added.flatMap(({ id }, place) => {
      const merge = merges[place]
      return merge ? [{ id, merge, waiting: waiting.get(id) ?? null }] : []
    }),
  )
  return added.map((one, place) => (merges[place] ? { ...one, conflict: 'merged' as const } : one))
}

async function enqueueColumns(on: Queryable, jobs: readonly NewJob[]): Promise<Enqueued[] | undefined> {
  const { kinds, each } = kindsOf(jobs)
  const inputs = `[${jobs.map((job) => job.input ?? 'null').join(',')}]`
  const rest = columnsOf(jobs)
  const [only, ...others] = kinds
  const isPlain = only && others.length === 0 && rest.every((values) => values === null)
  const [row] = await (isPlain
    ? on.query<IdsRow>(plainStatement, [only.queue, only.name, only.priority, inputs])
    : on.query<IdsRow>(columnsStatement, [
        kinds.map((kind) => kind.queue),
        kinds.map((kind) => kind.name),
        kinds.map((kind) => kind.priority),
        inputs,
        each,
        ...rest,
      ]))
  return row?.ids
    ?.slice(1, -1)
    .split(',')
    .map((id) => ({ id, created: true }))
}

interface IdsRow extends Record<string, unknown> {
  readonly ids: string | null
}

/** The one parameter of `enqueueStatement`. Joined by hand: the inputs are JSON text and need not be parsed again. */
export function enqueuePayload(jobs: readonly NewJob[]): string {
  return `[${jobs.map(element).join(',')}]`
}

/** The rows of `enqueueStatement` in the order of the call, from any library's row format. */
export function enqueuedOf(rows: readonly Record<string, unknown>[], jobs: readonly NewJob[]): Enqueued[] {
  return rows
    .map((row) => ({
      ord: Number(row['ord']),
      id: String(row['id']),
      created: row['created'] === true,
      ...notesOf(row),
    }))
    .toSorted((a, b) => a.ord - b.ord)
    .map(({ ord, created, ...rest }) => {
      // without a unique key only a bound can have brought it to a job that was there
      const isMerged = !created && jobs[ord - 1]?.unique === undefined
      return { ...rest, created, ...(isMerged && { conflict: 'replaced' as const }) }
    })
}

/** What bounds did, as JSON text; most rows have nothing of it. */
export function notesOf({ bounds }: Record<string, unknown>): Pick<Enqueued, 'notes'> {
  return typeof bounds === 'string' ? { notes: JSON.parse(bounds) as BoundNote[] } : {}
}

/** What may differ from job to job; null where no job has it. */
function columnsOf(jobs: readonly NewJob[]): (unknown[] | null)[] {
  return [
    column(jobs, (job) => (job.input === null ? 1 : null)),
    column(jobs, (job) => job.key),
    column(jobs, (job) => job.runAt?.toISOString()),
    column(jobs, (job) => job.delayMs),
    column(jobs, (job) => (job.tags.length > 0 ? JSON.stringify(job.tags) : null)),
    column(jobs, (job) => job.headers),
    column(jobs, (job) => job.trace),
    column(jobs, (job) => job.options),
  ]
}

/** The few different kinds (name, queue, priority) of a call or a flush, and which of them, from 1, each job is. */
function kindsOf(jobs: readonly NewJob[]): { kinds: NewJob[]; each: number[] } {
  const kinds: NewJob[] = []
  let place = 0
  const each = jobs.map((job) => {
    const last = kinds[place]
    if (!last || !isSameKind(last, job)) place = kinds.findIndex((kind) => isSameKind(kind, job))
    if (place < 0) place = kinds.push(job) - 1
    return place + 1
  })
  return { kinds, each }
}

function isSameKind(a: NewJob, b: NewJob): boolean {
  return a.name === b.name && a.queue === b.queue && a.priority === b.priority
}

/** Null when no job has it. */
function column<T>(jobs: readonly NewJob[], of: (job: NewJob) => T | null | undefined): (T | null)[] | null {
  if (jobs.every((job) => (of(job) ?? null) === null)) return null
  return jobs.map((job) => of(job) ?? null)
}

function element(job: NewJob): string {
  let json = `{"name":${JSON.stringify(job.name)},"queue":${JSON.stringify(job.queue)},"priority":${job.priority}`
  if (job.input !== null) json += `,"input":${job.input}`
  if (job.runAt !== undefined) json += `,"runAt":"${job.runAt.toISOString()}"`
  if (job.delayMs !== undefined) json += `,"delayMs":${job.delayMs}`
  if (job.key !== undefined) json += `,"key":${JSON.stringify(job.key)}`
  if (job.unique !== undefined) json += `,"unique":${JSON.stringify(job.unique)}`
  if (job.tags.length > 0) json += `,"tags":${JSON.stringify(job.tags)}`
  if (job.headers !== null) json += `,"headers":${job.headers}`
  if (job.trace !== undefined) json += `,"trace":${JSON.stringify(job.trace)}`
  if (job.options !== null) json += `,"options":${job.options}`
  if (job.rule) json += `,"rule":${JSON.stringify(job.rule)}`
  if (job.once) json += `,"once":${JSON.stringify(job.once)}`
  if (job.merge && !job.rule) json += ',"merges":true'
  return `${json}}`
}

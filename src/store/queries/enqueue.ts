import { once, type Queryable } from '../connection.ts'

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
}

export interface Enqueued {
  readonly id: string
  /** False when an unfinished job already held the unique key; `id` is that one's. */
  readonly created: boolean
}

/** The same SQL function that plain-SQL producers use: one text parameter, so that any library's transaction can send it. */
export const enqueueStatement = once(
  'lw_enqueue',
  'select ord, id::text as id, created from legwork.enqueue_many($1::jsonb)',
)

/** Adds all jobs or none, in the order given. */
export async function enqueue(on: Queryable, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  return enqueuedOf(await on.query(enqueueStatement, [enqueuePayload(jobs)]))
}

/** The one parameter of `enqueueStatement`. Joined by hand: the inputs are JSON text and need not be parsed again. */
export function enqueuePayload(jobs: readonly NewJob[]): string {
  return `[${jobs.map(element).join(',')}]`
}

/** The rows of `enqueueStatement` in the order of the call, from any library's row format. */
export function enqueuedOf(rows: readonly Record<string, unknown>[]): Enqueued[] {
  return rows
    .map((row) => ({ ord: Number(row['ord']), id: String(row['id']), created: row['created'] === true }))
    .toSorted((a, b) => a.ord - b.ord)
    .map(({ id, created }) => ({ id, created }))
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
  return `${json}}`
}

import type { Json } from '../core/context.ts'
import type { SerializedError } from '../core/errors.ts'
import type { StoredFiring } from '../core/firing.ts'
import type { State } from '../core/states.ts'
import { membersOf } from './members.ts'
import type { Member } from './queries/batches.ts'
import type { HistoryRow } from './queries/history.ts'
import type { Store } from './store.ts'

/** What a job was given and what its handler has come to, as plain JSON: enough to run the handler again elsewhere. */
export interface JobHistory {
  /** Of this form. */
  readonly format: 1
  readonly job: {
    readonly id: string
    readonly name: string
    readonly queue: string
    readonly state: State
    /** Attempts started and counted so far. */
    readonly attempt: number
    readonly priority: number
    readonly key?: string
    readonly tags: readonly string[]
    readonly headers: Readonly<Record<string, string>>
    readonly version?: string
    readonly pin?: string
    readonly traceparent?: string
    /** ISO 8601. */
    readonly enqueuedAt: string
    readonly idempotencyKey: string
    readonly input?: Json
    /** Of a job that a schedule has made. */
    readonly schedule?: StoredFiring
  }
  /** In the order in which they began. */
  readonly steps: readonly HistoryStep[]
}

/** Something that a handler has asked for. */
export interface HistoryStep {
  /** `!now`, `!random`, `!uuid` and `!commit` stand for the functions of these names. */
  readonly name: string
  readonly kind: HistoryRow['kind']
  readonly state: HistoryRow['state']
  /** Tries that failed. */
  readonly failures: number
  readonly output?: Json
  readonly error?: SerializedError
  /** Grows in the order in which they ended; left out until then. */
  readonly ended?: number
  /** Of `runAll`, in the order of the inputs. */
  readonly children?: readonly HistoryChild[]
}

export interface HistoryChild {
  readonly id: string
  /** Left out until it has ended. */
  readonly state?: NonNullable<Member['state']>
  readonly reason?: string
  readonly output?: Json
  readonly error?: SerializedError
}

/** Undefined when no job has that id, or it has been pruned. */
export async function historyOf(store: Store, id: string): Promise<JobHistory | undefined> {
  const job = await store.find(id)
  if (!job) return undefined
  const steps: HistoryStep[] = []
  const schedule = await store.firingOf(id)
  for (const row of await store.history(id)) steps.push(await stepOf(store, row))
  const { name, queue, state, attempt, priority, tags, headers } = job
  return {
    format: 1,
    job: {
      id,
      name,
      queue,
      state,
      attempt,
      priority,
      tags,
      headers,
      ...(job.key !== undefined && { key: job.key }),
      ...(job.version !== undefined && { version: job.version }),
      ...(job.pin !== undefined && { pin: job.pin }),
      ...(job.traceparent !== undefined && { traceparent: job.traceparent }),
      enqueuedAt: job.createdAt.toISOString(),
      idempotencyKey: `${await store.installation()}-${id}`,
      ...(job.input !== undefined && { input: job.input }),
      ...(schedule && { schedule }),
    },
    steps,
  }
}

async function stepOf(store: Store, row: HistoryRow): Promise<HistoryStep> {
  const { name, kind, state, attempt, output, error, ended } = row
  const isBatch = kind === 'runAll' || (kind === 'run' && state !== 'done') // then the output is the batch of its children
  return {
    name,
    kind,
    state,
    failures: attempt,
    ...(output !== null && !isBatch && { output: valueOf(output) }),
    ...(error && { error }),
    ...((state === 'done' || state === 'failed') && { ended }),
    ...(kind === 'runAll' && state === 'done' && { children: await childrenOf(store, output) }),
  }
}

async function childrenOf(store: Store, output: string | null): Promise<HistoryChild[]> {
  const children: HistoryChild[] = []
  const { batch } = valueOf(output ?? '{}') as { batch?: string }
  if (batch === undefined) return children
  for await (const member of membersOf(store, batch)) children.push(childOf(member))
  return children
}

function childOf({ job, state, reason, output, error }: Member): HistoryChild {
  return {
    id: job,
    ...(state !== undefined && { state }),
    ...(reason !== null && { reason }),
    ...(output !== null && { output: valueOf(output) }),
    ...(error && { error }),
  }
}

function valueOf(json: string): Json {
  return JSON.parse(json) as Json
}

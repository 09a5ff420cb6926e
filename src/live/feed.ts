import { type Clock, pause } from '../core/clock.ts'
import type { LogLevel } from '../core/context.ts'
import type { SerializedError } from '../core/errors.ts'
import { optionError } from '../core/errors.ts'
import { isFinal, type FinalState } from '../core/states.ts'
import type { AttemptRecord, JobRecord } from '../store/queries/find.ts'
import type { FeedRow } from '../store/queries/feed.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { notFound } from './results.ts'

interface EventBase {
  /** Where the event stands in the feed: pass it as `after` to go on from here. */
  readonly cursor: string
  readonly at: Date
}

/** What happens to a job, in order. Every feed begins with `enqueued` and ends with `ended`. */
export type JobEvent = EventBase &
  (
    | { readonly type: 'enqueued' }
    | { readonly type: 'started'; readonly attempt: number; readonly worker: number | undefined }
    | { readonly type: 'progress'; readonly value: unknown }
    | { readonly type: 'log'; readonly level: LogLevel; readonly message: string; readonly data?: unknown }
    /** The attempt ended and the job did not. */
    | {
        readonly type: 'attempt'
        readonly attempt: number
        readonly outcome: Exclude<AttemptRecord['outcome'], 'dead' | 'cancelled'>
        readonly error: SerializedError | undefined
        /** Milliseconds until the next attempt. */
        readonly delay: number | undefined
      }
    | {
        readonly type: 'ended'
        readonly state: FinalState
        readonly reason: string | undefined
        readonly error: SerializedError | undefined
      }
  )

export interface FeedOptions {
  /** Only events after this cursor. */
  readonly after?: string
  readonly signal?: AbortSignal
}

const pollEvery = 1_000
const page = 500

/**
 * The feed of one job: what has happened, then what happens, until it ends. Lifecycle events are not stored: they are
 * read off the job's row and its attempts, and put in order with the stored lines by (claim, phase, seq).
 */
export async function* followFeed(
  parts: { store: Store; clock: Clock; hub: Hub },
  id: string,
  options: FeedOptions,
): AsyncGenerator<JobEvent> {
  let after = parseCursor(options.after ?? '0.0.0')
  const news = new News(parts.hub, id)
  try {
    while (!options.signal?.aborted) {
      const events = await readFeed(parts.store, id, after)
      for (const event of events) {
        yield event
        after = parseCursor(event.cursor)
        if (event.type === 'ended') return
      }
      if (events.length < page) await news.wait(parts.clock, options.signal)
    }
  } finally {
    news.close()
  }
}

/** The events after a cursor that can be known now, oldest first; at most one page of stored lines. */
export async function readFeed(store: Store, id: string, after: Place): Promise<JobEvent[]> {
  const job = await store.find(id)
  if (!job) throw notFound(id)
  const [attempts, lines] = await Promise.all([
    store.attempts(id),
    // Lines have phase 1: a place in phase 2 or later of a claim is past all of them.
    store.readFeed(
      id,
      after.phase > 1
        ? { claim: after.claim, seq: lastSeq }
        : { claim: after.claim, seq: after.phase === 1 ? after.seq : '0' },
      page,
    ),
  ])
  const events = [...lifecycle(job, attempts, lines), ...lines.map(lineEvent)].map(({ place, event }) => ({
    place,
    event,
  }))
  const cut = lines.length === page ? placeOf(lines.at(-1)) : undefined // more lines follow: nothing after them yet
  return events
    .filter(({ place }) => compare(place, after) > 0 && (!cut || compare(place, cut) <= 0))
    .toSorted((a, b) => compare(a.place, b.place))
    .map(({ place, event }) => ({ ...event, cursor: `${place.claim}.${place.phase}.${place.seq}` }))
}

/** Place of an event: the claim it belongs to; within it 0 start, 1 stored lines by seq, 2 end of the attempt, 3 end of the job. */
interface Place {
  readonly claim: number
  readonly phase: number
  readonly seq: string
}

type Draft = JobEvent extends infer E ? (E extends JobEvent ? Omit<E, 'cursor'> : never) : never

interface Placed {
  readonly place: Place
  readonly event: Draft
}

const lastSeq = '9223372036854775807'

/** Resolves waits when the hub names the job; remembers news that came while nobody waited. */
class News {
  readonly #stop: () => void
  #fresh = false
  #wake: (() => void) | undefined

  constructor(hub: Hub, id: string) {
    const note = () => {
      this.#fresh = true
      this.#wake?.()
    }
    this.#stop = hub.subscribe((hint) => {
      if (hint.many || hint.changed?.includes(id) || hint.ended?.includes(id)) note()
    }, note)
  }

  async wait(clock: Clock, signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController()
    const news = new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#fresh) resolve()
    })
    const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal
    await Promise.race([news, pause(clock, pollEvery, either)])
    over.abort()
    this.#wake = undefined
    this.#fresh = false
  }

  close(): void {
    this.#stop()
  }
}

function lifecycle(job: JobRecord, attempts: readonly AttemptRecord[], lines: readonly FeedRow[]): Placed[] {
  const placed: Placed[] = [{ place: { claim: 0, phase: 1, seq: '1' }, event: { type: 'enqueued', at: job.createdAt } }]
  for (const attempt of attempts) {
    const { claim, startedAt, worker, outcome, error, delay } = attempt
    if (startedAt)
      placed.push({ place: at(claim, 0), event: { type: 'started', at: startedAt, attempt: attempt.attempt, worker } })
    if (outcome !== 'dead' && outcome !== 'cancelled') {
      placed.push({
        place: at(claim, 2),
        event: { type: 'attempt', at: attempt.endedAt, attempt: attempt.attempt, outcome, error, delay },
      })
    }
  }
  const last = Math.max(0, ...attempts.map((attempt) => attempt.claim), ...lines.map((line) => line.claim))
  const current = { attempt: job.attempt, worker: job.worker, claim: job.claim }
  if (job.startedAt && (job.state === 'running' || job.state === 'completed')) {
    placed.push({
      place: at(current.claim, 0),
      event: { type: 'started', at: job.startedAt, attempt: job.attempt, worker: job.worker },
    })
  }
  if (isFinal(job.state)) {
    const event = {
      type: 'ended',
      at: job.finishedAt ?? job.createdAt,
      state: job.state,
      reason: job.reason,
      error: job.error,
    } as const
    placed.push({ place: at(Math.max(last, current.claim), 3), event })
  }
  return placed
}

function lineEvent(row: FeedRow): Placed {
  const place = { claim: row.claim, phase: 1, seq: row.seq }
  if (row.kind === 'progress') return { place, event: { type: 'progress', at: row.at, value: row.data } }
  const line = row.data as { level: LogLevel; message: string; data?: unknown }
  return { place, event: { type: 'log', at: row.at, ...line } }
}

function placeOf(row: FeedRow | undefined): Place | undefined {
  return row && { claim: row.claim, phase: 1, seq: row.seq }
}

function at(claim: number, phase: number): Place {
  return { claim, phase, seq: phase === 0 ? '1' : '0' }
}

function compare(a: Place, b: Place): number {
  return a.claim - b.claim || a.phase - b.phase || Number(BigInt(a.seq) - BigInt(b.seq))
}

function parseCursor(cursor: string): Place {
  const match = /^(\d{1,10})\.([0-3])\.(\d{1,19})$/.exec(cursor)
  if (!match) throw optionError('after', 'a cursor of this feed', cursor)
  return { claim: Number(match[1]), phase: Number(match[2]), seq: String(match[3]) }
}

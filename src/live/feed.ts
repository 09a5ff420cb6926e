import type { Clock } from '../core/clock.ts'
import type { LogLevel } from '../core/context.ts'
import type { SerializedError } from '../core/errors.ts'
import { optionError } from '../core/errors.ts'
import { isFinal, type FinalState } from '../core/states.ts'
import type { AttemptRecord, JobRecord } from '../store/queries/find.ts'
import type { FeedRow, StepNews } from '../store/queries/feed.ts'
import type { StepKind } from '../store/queries/steps.ts'
import type { Store } from '../store/store.ts'
import type { Hint, Hub } from './hub.ts'
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
    /** The attempt ended and the job went on; `dead` and `cancelled` when somebody made it run again. */
    | {
        readonly type: 'attempt'
        readonly attempt: number
        readonly outcome: AttemptRecord['outcome']
        readonly error: SerializedError | undefined
        /** Milliseconds until the next attempt. */
        readonly delay: number | undefined
      }
    /** Of a durable job: what was written of a step last. One that is written again comes again. */
    | ({ readonly type: 'step'; readonly kind: StepKind } & StepEvent)
    /** The same of an undo. `skipped` and `resolved`: a person has said so. */
    | ({ readonly type: 'undo' } & StepEvent<'skipped' | 'resolved'>)
    | {
        readonly type: 'ended'
        readonly state: FinalState
        readonly reason: string | undefined
        readonly error: SerializedError | undefined
      }
  )

interface StepEvent<More = never> {
  readonly step: string
  /**
   * `started`: only what is written before it ends, as steps with an `undo` are. `waiting`: a sleep or a wait has begun.
   * `retrying`: a try failed, and there will be another one. `failed`: for good.
   */
  readonly state: 'started' | 'waiting' | 'retrying' | 'completed' | 'failed' | More
  /** Tries that failed. */
  readonly failures: number
  /** Of the last try. */
  readonly error: SerializedError | undefined
  readonly dueAt: Date | undefined
}

export interface FeedOptions {
  /** Only events after this cursor. */
  readonly after?: string
  readonly signal?: AbortSignal
}

const pollEvery = 1_000
const page = 500

/**
 * The feed of one job: what has happened, then what happens, until it ends. Lifecycle events are not stored: they are
 * read off the job's row and its attempts, and put in order with the stored lines by (claim, phase, seq). Steps are read
 * off their rows; they have an order of their own, so a cursor names a place in each of the two.
 */
export async function* followFeed(
  parts: { store: Store; clock: Clock; hub: Hub },
  id: string,
  options: FeedOptions,
): AsyncGenerator<JobEvent> {
  let after = parseCursor(options.after ?? '0.0.0.0')
  const news = new News(parts.hub, parts.clock, id)
  try {
    while (!options.signal?.aborted) {
      const { events, more, over } = await readEvents(parts.store, id, after)
      for (const event of events) {
        yield event
        after = parseCursor(event.cursor)
      }
      if (over) return
      if (!more) await news.wait(options.signal)
    }
  } finally {
    news.close()
  }
}

/** The events after a cursor that are known now, oldest first; whether there are more, and whether the job has ended. */
async function readEvents(
  store: Store,
  id: string,
  after: Cursor,
): Promise<{ events: JobEvent[]; more: boolean; over: boolean }> {
  // Lines have phase 1: a place in phase 2 or later of a claim is past all of them.
  const seq = after.phase > 1 ? lastSeq : after.phase === 1 ? after.seq : '0'
  const snapshot = await store.readFeed(id, { claim: after.claim, seq, step: after.step }, page)
  if (!snapshot) throw notFound(id)
  const { job, attempts, lines, steps } = snapshot
  const placed = [...lifecycle(job, attempts), ...lines.map(lineEvent)]
  const cut = lines.length === page ? placeOf(lines.at(-1)) : undefined // more lines follow: nothing after them yet
  const rest = placed
    .filter(({ place }) => compare(place, after) > 0 && (!cut || compare(place, cut) <= 0))
    .toSorted((a, b) => compare(a.place, b.place))
  const isCut = { placed: cut !== undefined, steps: steps.length === page }
  const more = isCut.placed || isCut.steps
  return { events: merge(rest, steps, isCut, after), more, over: !more && isFinal(job.state) }
}

/** Both in order, as far as both are known: after the end of one that is cut off nothing of the other follows. */
function merge(
  placed: readonly Placed[],
  steps: readonly StepNews[],
  isCut: { readonly placed: boolean; readonly steps: boolean },
  after: Cursor,
): JobEvent[] {
  const events: JobEvent[] = []
  const lines = [...placed].toReversed()
  const written = [...steps].toReversed()
  let { claim, phase, seq, step } = after
  for (;;) {
    const [line, news] = [lines.at(-1), written.at(-1)]
    if ((!line && isCut.placed) || (!news && isCut.steps)) return events
    if (line && (!news || precedes(line, news))) {
      lines.pop()
      ;({ claim, phase, seq } = line.place)
      events.push({ ...line.event, cursor: `${claim}.${phase}.${seq}.${step}` })
    } else if (news) {
      written.pop()
      step = news.seq
      events.push({ ...stepEvent(news), cursor: `${claim}.${phase}.${seq}.${step}` })
    } else return events
  }
}

/** Steps stand among the lines of their claim, by time. */
function precedes({ place, event }: Placed, news: StepNews): boolean {
  if (place.claim !== news.claim) return place.claim < news.claim
  return place.phase === 1 ? event.at.getTime() <= news.at.getTime() : place.phase === 0
}

/** Place of an event: the claim it belongs to; within it 0 start, 1 stored lines by seq, 2 end of the attempt, 3 end of the job. */
interface Place {
  readonly claim: number
  readonly phase: number
  readonly seq: string
}

/** The place of the last event, and the last step that was seen. */
interface Cursor extends Place {
  readonly step: string
}

type Draft = JobEvent extends infer E ? (E extends JobEvent ? Omit<E, 'cursor'> : never) : never

interface Placed {
  readonly place: Place
  readonly event: Draft
}

const lastSeq = '9223372036854775807'

/** Resolves waits when the hub names the job or a while has passed; remembers news that came while nobody waited. */
class News {
  readonly #stops: readonly (() => void)[]
  #fresh = false
  #wake: (() => void) | undefined
  readonly #note = (): void => {
    this.#fresh = true
    this.#wake?.()
  }

  constructor(hub: Hub, clock: Clock, id: string) {
    const onHint = (hint: Hint): void => {
      if (hint.many || hint.changed?.includes(id) || hint.ended?.includes(id)) this.#note()
    }
    this.#stops = [hub.subscribe(onHint, this.#note), clock.every(pollEvery, this.#note)]
  }

  async wait(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      signal?.addEventListener('abort', this.#note)
      if (this.#fresh || signal?.aborted) resolve()
    })
    signal?.removeEventListener('abort', this.#note)
    this.#wake = undefined
    this.#fresh = false
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }
}

function lifecycle(job: JobRecord, attempts: readonly AttemptRecord[]): Placed[] {
  const placed: Placed[] = [{ place: { claim: 0, phase: 1, seq: '1' }, event: { type: 'enqueued', at: job.createdAt } }]
  for (const { claim, startedAt, endedAt, worker, attempt, outcome, error, delay } of attempts) {
    if (startedAt) placed.push({ place: at(claim, 0), event: { type: 'started', at: startedAt, attempt, worker } })
    // What ended the job is told by `ended`, unless somebody made it run again.
    const ended = (outcome === 'dead' || outcome === 'cancelled') && claim >= job.claim
    if (!ended)
      placed.push({ place: at(claim, 2), event: { type: 'attempt', at: endedAt, attempt, outcome, error, delay } })
  }
  const { claim, startedAt, attempt, worker, finishedAt, createdAt, state, reason, error } = job
  if (startedAt && (state === 'running' || state === 'completed'))
    placed.push({ place: at(claim, 0), event: { type: 'started', at: startedAt, attempt, worker } })
  if (isFinal(state))
    placed.push({ place: at(claim, 3), event: { type: 'ended', at: finishedAt ?? createdAt, state, reason, error } })
  return placed
}

function lineEvent(row: FeedRow): Placed {
  const place = { claim: row.claim, phase: 1, seq: row.seq }
  if (row.kind === 'progress') return { place, event: { type: 'progress', at: row.at, value: row.data } }
  const line = row.data as { level: LogLevel; message: string; data?: unknown }
  return { place, event: { type: 'log', at: row.at, ...line } }
}

function stepEvent(news: StepNews): Draft {
  const { step, kind, isUndo, state, failures, dueAt, error, resolved } = news
  const told = state === 'waiting' && failures > 0 ? 'retrying' : state
  const common = { at: news.at, step, failures, error, dueAt }
  if (!isUndo) return { type: 'step', kind, state: told, ...common }
  return { type: 'undo', state: resolved === 'skip' ? 'skipped' : resolved === 'done' ? 'resolved' : told, ...common }
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

function parseCursor(cursor: string): Cursor {
  const match = /^(\d{1,10})\.([0-3])\.(\d{1,19})\.(\d{1,19})$/.exec(cursor)
  if (!match) throw optionError('after', 'a cursor of this feed', cursor)
  return { claim: Number(match[1]), phase: Number(match[2]), seq: String(match[3]), step: String(match[4]) }
}

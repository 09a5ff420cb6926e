import type { LaneName } from '../store/queries/lanes.ts'
import type { Store } from '../store/store.ts'

/** What changed, as processes tell one another. Only ever a reason to look: the rows are the truth. */
export interface Hint {
  /** Lanes in which jobs became ready. */
  readonly woken?: readonly LaneName[]
  /** The same for new jobs, whose queue the producer knows by name only. */
  readonly enqueued?: readonly { readonly queue: string; readonly priority: number }[]
  /** Jobs that ended. */
  readonly ended?: readonly string[]
  /** Jobs with something new in their feed, or that moved without ending. */
  readonly changed?: readonly string[]
  /** Running jobs whose cancel was asked for. */
  readonly cancel?: readonly string[]
  /** Locks that became free while somebody waits. */
  readonly freed?: readonly string[]
  /** So many jobs ended or changed that they are not named. */
  readonly many?: boolean
  /** Queues were made, paused or resumed. */
  readonly queues?: boolean
  /** Schedules were saved, resumed or put off. */
  readonly schedules?: boolean
  /** A delayed job is due in so many milliseconds. */
  readonly due?: number
}

/** PostgreSQL's limit is 8000 bytes. */
const longestPayload = 7_500

/** More ids than these are not named to other processes: whoever waits looks for its own. */
const mostIds = 200

/** Milliseconds in which a busy process sends at most one hint; longer when so much happens that jobs are not named. */
const pace = 5
const paceOfMany = 20

/**
 * Brings news to whoever waits in this process at once, and to other processes soon: at once when idle, otherwise
 * grouped. Sent on a connection of its own, after the commit: a NOTIFY inside a transaction would make all commits queue.
 */
export class Hub {
  readonly #store: Store
  readonly #self = `${process.pid}.${Math.random().toString(36).slice(2, 10)}`
  /** How our own payloads begin: the server sends them back to us, and they need not be parsed. */
  readonly #ownStart = `{"from":${JSON.stringify(this.#self)}`
  readonly #listeners = new Set<(hint: Hint) => void>()
  readonly #gapListeners = new Set<() => void>()
  readonly #onError: (error: unknown) => void
  #pending: Hint | undefined
  #sending: Promise<void> | undefined
  #closed = false

  constructor(store: Store, onError: (error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  /** Starts to hear other processes. */
  open(): void {
    this.#store.listen(
      (payload) => this.#receive(payload),
      () => {
        for (const listener of this.#gapListeners) listener()
      },
    )
  }

  /** Calls `listener` for each hint, and `onGap` when some may have been missed. Returns how to stop. */
  subscribe(listener: (hint: Hint) => void, onGap?: () => void): () => void {
    this.#listeners.add(listener)
    if (onGap) this.#gapListeners.add(onGap)
    return () => {
      this.#listeners.delete(listener)
      if (onGap) this.#gapListeners.delete(onGap)
    }
  }

  /** Tells this process alone: others would be told more often than they need to know. */
  tellHere(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint)
  }

  /** Tells everyone. Never waits and never throws. */
  tell(hint: Hint): void {
    this.tellHere(hint)
    if (this.#store.exclusive || this.#closed) return
    this.#pending = this.#pending ? merge(this.#pending, hint) : hint
    this.#sending ??= this.#send()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sending
  }

  async #send(): Promise<void> {
    while (this.#pending) {
      const hint = this.#pending
      this.#pending = undefined
      try {
        await this.#store.notify(encode(this.#self, hint))
      } catch (error) {
        this.#onError(error)
      }
      await new Promise((resolve) => setTimeout(resolve, isNamed(hint) ? pace : paceOfMany))
    }
    this.#sending = undefined // before anyone can tell in vain
  }

  #receive(payload: string): void {
    if (payload.startsWith(this.#ownStart)) return
    const message = decode(payload)
    if (!message) return
    for (const listener of this.#listeners) listener(message.hint)
  }
}

function merge(a: Hint, b: Hint): Hint {
  const due = a.due === undefined ? b.due : Math.min(a.due, b.due ?? a.due)
  return {
    woken: unique([...(a.woken ?? []), ...(b.woken ?? [])]),
    enqueued: unique([...(a.enqueued ?? []), ...(b.enqueued ?? [])]),
    ended: [...(a.ended ?? []), ...(b.ended ?? [])],
    changed: [...(a.changed ?? []), ...(b.changed ?? [])],
    cancel: [...(a.cancel ?? []), ...(b.cancel ?? [])],
    freed: [...new Set([...(a.freed ?? []), ...(b.freed ?? [])])],
    queues: a.queues === true || b.queues === true,
    many: a.many === true || b.many === true,
    schedules: a.schedules === true || b.schedules === true,
    ...(due !== undefined && { due }),
  }
}

function unique<T extends { readonly priority: number }>(lanes: readonly T[]): T[] {
  return [...new Map(lanes.map((lane) => [JSON.stringify(lane), lane])).values()]
}

/** Whether the jobs it is about are few enough to be named. */
function isNamed({ ended = [], changed = [] }: Hint): boolean {
  return ended.length + changed.length <= mostIds
}

function encode(from: string, hint: Hint): string {
  const text = JSON.stringify({ from, hint: isNamed(hint) ? hint : { ...hint, ended: [], changed: [], many: true } })
  return text.length <= longestPayload ? text : JSON.stringify({ from, hint: { many: true, queues: true } })
}

/** Other programs may use the channel; what is not ours is ignored. */
function decode(payload: string): { from: string; hint: Hint } | undefined {
  try {
    const message = JSON.parse(payload) as { from?: unknown; hint?: unknown }
    if (typeof message.from !== 'string' || typeof message.hint !== 'object' || message.hint === null) return undefined
    return { from: message.from, hint: message.hint }
  } catch {
    return undefined
  }
}

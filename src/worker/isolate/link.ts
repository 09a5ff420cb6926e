import type { SlowDown } from '../../core/context.ts'
import { LegworkError } from '../../core/errors.ts'
import type { LastSuccess } from '../../core/firing.ts'
import { instant } from '../../core/instant.ts'
import { endOf, type LockPlan, lockPlanOf, lostWith, resultOf, type TakeLock } from '../../core/lock.ts'
import { arrived, carry } from './carried.ts'
import type { Answer, Request } from './protocol.ts'

interface Asked {
  readonly resolve: (value: string | null) => void
  readonly reject: (error: Error) => void
}

/** A lock that is waited for, or held. */
interface OpenLock {
  readonly locked: (token: bigint) => void
  /** Aborts when the lock is lost, or must be given up. */
  readonly over: AbortController
}

/** Of all runs of this thread or process: an answer that comes late must not be taken for that of another request. */
let lastId = 0

/** On the isolated side: what of the engine one handler may use, by messages. A request of a run that is over is not answered. */
export class Link {
  readonly #send: (request: Request) => void
  readonly #signal: AbortSignal
  readonly #asked = new Map<number, Asked>()
  readonly #locks = new Map<number, OpenLock>()

  /** @param signal that of the job */
  constructor(send: (request: Request) => void, signal: AbortSignal) {
    this.#send = send
    this.#signal = signal
  }

  receive(answer: Answer): void {
    const { id } = answer
    switch (answer.type) {
      case 'answer':
        return this.#asked.get(id)?.resolve(answer.value)
      case 'refusal':
        return this.#asked.get(id)?.reject(arrived(answer.error))
      case 'locked':
        return this.#locks.get(id)?.locked(BigInt(answer.token))
      case 'lock-over':
        return this.#locks.get(id)?.over.abort(arrived(answer.reason))
    }
  }

  readonly slowDown = async ({ until, for: ms, limit }: SlowDown): Promise<void> => {
    const at = instant(until, 'slowDown.until')?.toISOString()
    const wish = {
      ...(ms !== undefined && { for: ms }),
      ...(at !== undefined && { until: at }),
      ...(limit !== undefined && { limit }),
    }
    await this.#ask({ type: 'slow-down', id: ++lastId, wish })
  }

  readonly lastSuccess = async (): Promise<LastSuccess | undefined> => {
    const json = await this.#ask({ type: 'last-success', id: ++lastId })
    if (json === null) return undefined
    const { nominal, at, result } = JSON.parse(json) as { nominal: string; at: string; result?: unknown }
    return { nominal: new Date(nominal), at: new Date(at), result }
  }

  readonly lock: TakeLock = async (name, ...rest) => this.#take(lockPlanOf(name, rest))

  async #take<T>({ name, lease, timeout, signal, work }: LockPlan<T>): Promise<T> {
    const id = ++lastId
    const over = new AbortController()
    const token = new Promise<bigint>((locked) => this.#locks.set(id, { locked, over }))
    const freed = this.#ask({ type: 'lock', id, name, lease, timeout: timeout ?? null })
    const leave = (): void => this.#send({ type: 'leave', id, reason: carry(signal?.reason) })
    if (signal?.aborted) leave()
    else signal?.addEventListener('abort', leave)
    try {
      const stops = [over.signal, this.#signal, ...(signal ? [signal] : [])]
      const lock = { name, token: await firstOf(token, freed), signal: AbortSignal.any(stops) }
      const ended = await endOf(() => work(lock))
      this.#send({ type: 'unlock', id })
      await freed.catch((lost: unknown) => {
        // the work has seen it as the reason of its signal, and may have thrown that
        const reason = isLoss(over.signal.reason) ? over.signal.reason : lost
        throw lostWith(lock, reason, ended)
      })
      return resultOf(ended)
    } finally {
      signal?.removeEventListener('abort', leave)
      this.#locks.delete(id)
    }
  }

  async #ask(request: Request): Promise<string | null> {
    const { id } = request
    const answer = new Promise<string | null>((resolve, reject) => this.#asked.set(id, { resolve, reject }))
    this.#send(request)
    return answer.finally(() => this.#asked.delete(id))
  }
}

/** The token, unless the lock is refused before it comes. */
function firstOf(token: Promise<bigint>, freed: Promise<unknown>): Promise<bigint> {
  return Promise.race([token, freed.then(() => token)])
}

function isLoss(reason: unknown): boolean {
  return reason instanceof LegworkError && reason.code === 'LW_LOCK_LOST'
}

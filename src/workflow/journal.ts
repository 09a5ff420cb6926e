import { Batcher } from '../core/batcher.ts'
import type { DurableAttempt } from '../core/durable.ts'
import { isUnreachable, LegworkError } from '../core/errors.ts'
import type { BatchStatus, ChildrenPlan, Member } from '../store/queries/batches.ts'
import type { Signal } from '../store/queries/signals.ts'
import type { Memory, StepEntry, StepWrite } from '../store/queries/steps.ts'
import type { Store } from '../store/store.ts'

/** Most steps one statement writes, and most jobs one statement reads the steps of. */
const largest = 1_000

type Job = DurableAttempt['job']

/** What an attempt asks of a journal. */
export type Remembers = Omit<Pick<Journal, keyof Journal>, 'drained'>

/** What durable jobs remember, in the database. The steps that end at the same time share a statement, across jobs. */
export class Journal {
  readonly #store: Store
  readonly #workerId: () => number
  /** What is under way beside the batches. */
  readonly #pending = new Set<Promise<unknown>>()
  readonly #slots = new Map<number, { readonly saves: Saves; readonly loads: Loads }>()

  /** Called when something of this job was written. */
  readonly onWritten: (id: string) => void

  constructor(store: Store, workerId: () => number, onWritten: (id: string) => void) {
    this.#store = store
    this.#workerId = workerId
    this.onWritten = onWritten
  }

  /** What a job remembers. One that was never claimed before remembers nothing: nothing is asked. */
  async load(job: Job): Promise<Memory> {
    if (job.claim === 1) return { wakes: 0, steps: new Map() }
    const [memory] = await this.#of(job.slot).loads.add([job.id])
    return memory ?? { wakes: 0, steps: new Map() }
  }

  /** @throws LW_LEASE_LOST: nothing was written, another worker has the job */
  async save(job: Job, entry: StepEntry, took: number): Promise<void> {
    const [isMine] = await this.#of(job.slot).saves.add([{ ...entry, id: job.id, claim: job.claim, took }])
    if (isMine !== true) throw lost(job)
  }

  /** Runs `work` and writes that the step is done, with its result, in one transaction. */
  async saveWith(
    job: Job,
    entry: StepEntry,
    work: (tx: unknown) => Promise<string | null>,
    begin: Begin | undefined,
    took: () => number,
  ): Promise<string | null> {
    const written = await this.track(this.#store.stepTransaction(this.#workerId(), job, entry, work, begin, took))
    if (!written) throw lost(job)
    return written.output
  }

  waitingSignals(job: Job, topic: string): Promise<Signal[]> {
    return this.track(this.#store.waitingSignals(job, topic))
  }

  /** Notes a signal as the result of a wait; false when another wait has taken it. */
  async take(job: Job, signal: Signal, entry: StepEntry, took: number): Promise<boolean> {
    const taken = await this.track(this.#store.takeSignal(this.#workerId(), job, signal, entry, took))
    if (taken === undefined) throw lost(job)
    return taken
  }

  /** Begins children, or finds those that an earlier attempt has begun; returns the id of their batch. */
  async startChildren(job: Job, plan: ChildrenPlan): Promise<string> {
    const batch = await this.track(this.#store.startChildren(this.#workerId(), job, plan))
    if (batch === undefined) throw lost(job)
    return batch
  }

  async batch(id: string): Promise<BatchStatus> {
    const found = await this.track(this.#store.batch(id))
    if (!found) throw new Error(`legwork: batch ${id} has vanished while it was waited for`)
    return found
  }

  members(batch: string, after: number, limit: number): Promise<Member[]> {
    return this.track(this.#store.members(batch, after, limit))
  }

  /** The job is being undone from now on. */
  async unwind(job: Job, why: string): Promise<void> {
    if (!(await this.track(this.#store.unwind(this.#workerId(), job, why)))) throw lost(job)
  }

  /** Resolves when no statement is under way, nor anything else that was given to `track`. */
  async drained(): Promise<void> {
    for (const { saves, loads } of this.#slots.values()) {
      await saves.drained()
      await loads.drained()
    }
    await Promise.allSettled(this.#pending)
  }

  /** Has `drained` wait for this, too. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    try {
      return await work
    } finally {
      this.#pending.delete(work)
    }
  }

  #of(slot: number): { readonly saves: Saves; readonly loads: Loads } {
    const found = this.#slots.get(slot)
    if (found) return found
    const undone = (error: unknown) => !isUnreachable(error)
    const save = async (writes: readonly StepWrite[]) => {
      const mine = await this.#store.saveSteps(slot, this.#workerId(), writes)
      return writes.map(({ id }) => mine.has(id))
    }
    const load = async (ids: readonly string[]) => {
      const memories = await this.#store.loadSteps(slot, ids)
      return ids.map((id) => memories.get(id))
    }
    const made = { saves: new Batcher(save, largest, undone, 2), loads: new Batcher(load, largest, undone) }
    this.#slots.set(slot, made)
    return made
  }
}

type Saves = Batcher<StepWrite, boolean>
type Loads = Batcher<string, Memory | undefined>

export type Begin = (work: (tx: unknown) => Promise<void>) => Promise<unknown>

function lost({ id, name }: Job): LegworkError {
  return new LegworkError(
    'LW_LEASE_LOST',
    `Job ${id} (${name}) is not this worker's any more: its step was not written.`,
  )
}

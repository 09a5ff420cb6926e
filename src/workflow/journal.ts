import { Batcher } from '../core/batcher.ts'
import type { DurableAttempt } from '../core/durable.ts'
import { isUnreachable, LegworkError } from '../core/errors.ts'
import { groupBy } from '../core/group.ts'
import type { StepEntry, StepWrite } from '../store/queries/steps.ts'
import type { Store } from '../store/store.ts'

/** Most steps one statement writes, and most jobs one statement reads the steps of. */
const largest = 1_000

type Job = DurableAttempt['job']

/** What durable jobs remember, in the database. The steps that end at the same time share a statement, across jobs. */
export class Journal {
  readonly #store: Store
  readonly #workerId: () => number
  readonly #slots = new Map<number, { readonly saves: Saves; readonly loads: Loads }>()

  constructor(store: Store, workerId: () => number) {
    this.#store = store
    this.#workerId = workerId
  }

  /** The entries of a job by name. One that was never claimed before has none: nothing is asked. */
  async load(job: Job): Promise<Map<string, StepEntry>> {
    if (job.claim === 1) return new Map()
    const [entries = []] = await this.#of(job.slot).loads.add([job.id])
    return new Map(entries.map((entry) => [entry.name, entry]))
  }

  /** @throws LW_LEASE_LOST: nothing was written, another worker has the job */
  async save(job: Job, entry: StepEntry): Promise<void> {
    const [isMine] = await this.#of(job.slot).saves.add([{ ...entry, id: job.id, claim: job.claim }])
    if (isMine !== true) throw lost(job)
  }

  /** Runs `work` and writes that the step is done, with its result, in one transaction. */
  async saveWith(
    job: Job,
    entry: StepEntry,
    work: (tx: unknown) => Promise<string | null>,
    begin: Begin | undefined,
  ): Promise<string | null> {
    const output = await this.#store.stepTransaction(this.#workerId(), job, entry, work, begin)
    if (output === 'lost') throw lost(job)
    return output
  }

  /** The job is being undone from now on. */
  async unwind(job: Job, why: string): Promise<void> {
    if (!(await this.#store.unwind(this.#workerId(), job, why))) throw lost(job)
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
      const byId = groupBy(await this.#store.loadSteps(slot, ids), (entry) => entry.id)
      return ids.map((id) => byId.get(id) ?? [])
    }
    const made = { saves: new Batcher(save, largest, undone, 2), loads: new Batcher(load, largest, undone) }
    this.#slots.set(slot, made)
    return made
  }
}

type Saves = Batcher<StepWrite, boolean>
type Loads = Batcher<string, (StepEntry & { readonly id: string })[]>

export type Begin = (work: (tx: unknown) => Promise<void>) => Promise<unknown>

function lost({ id, name }: Job): LegworkError {
  return new LegworkError(
    'LW_LEASE_LOST',
    `Job ${id} (${name}) is not this worker's any more: its step was not written.`,
  )
}

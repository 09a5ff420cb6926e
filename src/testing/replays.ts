import type { Legwork, LegworkOptions } from '../api.ts'
import type { AnyJob } from '../core/definition.ts'
import { replayHistory, type ReplayOptions } from '../replay.ts'
import { definitionMap } from '../settings.ts'
import type { JobHistory } from '../store/history.ts'

interface Completed extends ReplayOptions {
  /** Of several versions the first. */
  readonly first: AnyJob
}

/** The durable jobs that have completed in a test and have not been run again yet. */
export class Replays {
  /** Those that have written a step. */
  readonly #durable = new Set<string>()
  readonly #completed = new Map<string, Completed>()

  watch(engine: Legwork, { jobs, use = [] }: Pick<LegworkOptions, 'jobs' | 'use'>): void {
    const definitions = definitionMap(jobs)
    engine.on('step', ({ id, step }) => (step === '!checkpoint' ? undefined : this.#durable.add(id)))
    engine.on('completed', ({ id, name }) => {
      const first = definitions.get(name)
      if (first?.handler && !first.isolate && this.#durable.has(id)) this.#completed.set(id, { first, use })
    })
  }

  /**
   * Runs each again, once; one that retention has removed meanwhile is left out.
   * @throws LW_REPLAY_DIFFERS for the first that asks for other steps
   */
  async check(read: (id: string) => Promise<JobHistory | undefined>): Promise<void> {
    const completed = [...this.#completed]
    this.#completed.clear()
    for (const [id, { first, ...options }] of completed) {
      const history = await read(id)
      if (!history) continue
      const { pin = first.version } = history.job
      await replayHistory(first.older.get(pin ?? '') ?? first, history, options)
    }
  }
}

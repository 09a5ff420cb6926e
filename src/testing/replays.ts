import type { Legwork, LegworkOptions } from '../api.ts'
import type { AnyJob } from '../core/definition.ts'
import { replayHistory, type ReplayOptions } from '../replay.ts'
import type { JobHistory } from '../store/history.ts'

interface Completed extends ReplayOptions {
  readonly definition: AnyJob
}

/** The durable jobs that have completed in a test and have not been run again yet. */
export class Replays {
  /** Those that have written a step. */
  readonly #durable = new Set<string>()
  readonly #completed = new Map<string, Completed>()

  watch(engine: Legwork, { jobs, use = [] }: Pick<LegworkOptions, 'jobs' | 'use'>): void {
    const definitions = new Map(jobs.map((job) => [job.name, job]))
    engine.on('step', ({ id, step }) => (step === '!checkpoint' ? undefined : this.#durable.add(id)))
    engine.on('completed', ({ id, name }) => {
      const definition = definitions.get(name)
      if (definition?.handler && !definition.isolate && this.#durable.has(id))
        this.#completed.set(id, { definition, use })
    })
  }

  /**
   * Runs each again, once; one that retention has removed meanwhile is left out.
   * @throws LW_REPLAY_DIFFERS for the first that asks for other steps
   */
  async check(read: (id: string) => Promise<JobHistory | undefined>): Promise<void> {
    const completed = [...this.#completed]
    this.#completed.clear()
    for (const [id, { definition, ...options }] of completed) {
      const history = await read(id)
      if (history) await replayHistory(definition, history, options)
    }
  }
}

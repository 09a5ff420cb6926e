import type { Peer } from '../peer.ts'
import { onlySteps } from './only-steps.ts'

/** https://openworkflow.dev/docs: a worker with concurrency; its own benchmark uses 100. */
export const peer: Peer = {
  name: 'openworkflow',
  store: 'postgres',
  packages: ['openworkflow'],
  settings: 'one worker, concurrency 100',
  features: [],
  only: 'steps',
  async open(place) {
    const { OpenWorkflow } = await import('openworkflow')
    const { BackendPostgres } = await import('openworkflow/postgres')
    const backend = await BackendPostgres.connect(place.url)
    const ow = new OpenWorkflow({ backend })
    let count = 0
    let ended = 0
    let all = (): void => undefined
    const workflow = ow.defineWorkflow({ name: 'steps' }, async ({ step }) => {
      for (let n = 0; n < count; n++) await step.run({ name: `step-${n}` }, async () => {})
      if (--ended === 0) all() // its results are asked for by polling: the last step counts instead, in its favour
    })
    return onlySteps(
      async ({ runs, steps, atOnce }) => {
        count = steps
        ended = runs
        const done = new Promise<void>((resolve) => (all = resolve))
        for (let at = 0; at < runs; at += atOnce)
          await Promise.all(Array.from({ length: Math.min(atOnce, runs - at) }, () => workflow.run()))
        const worker = ow.newWorker({ concurrency: atOnce })
        await worker.start()
        try {
          await done
        } finally {
          await worker.stop()
        }
      },
      () => backend.stop(),
    )
  },
}

import { repeat } from '../load.ts'
import type { Peer } from '../peer.ts'
import { onlySteps } from './only-steps.ts'

/** https://docs.dbos.dev/typescript/reference/configuration: the system database is all that is asked for. */
export const peer: Peer = {
  name: 'dbos',
  store: 'postgres',
  packages: ['@dbos-inc/dbos-sdk'],
  settings: 'system database pool of 20, logs from errors up',
  features: [],
  only: 'steps',
  async open(place) {
    const { DBOS } = await import('@dbos-inc/dbos-sdk')
    let count = 0
    const work = async (): Promise<void> => {
      for (let n = 0; n < count; n++) await DBOS.runStep(async () => {}, { name: `step-${n}` })
    }
    const workflow = DBOS.registerWorkflow(work, { name: 'steps' })
    DBOS.setConfig({
      name: place.namespace,
      systemDatabaseUrl: place.url,
      systemDatabasePoolSize: 20,
      logLevel: 'error',
    })
    await DBOS.launch()
    return onlySteps(
      async ({ runs, steps, atOnce }) => {
        count = steps
        await repeat(runs, atOnce, async () => (await DBOS.startWorkflow(workflow)()).getResult())
      },
      () => DBOS.shutdown(),
    )
  },
}

import type { Peer, Session } from '../peer.ts'

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
    const session: Session = {
      add: unfit,
      addMany: unfit,
      work: unfit,
      async runSteps({ runs, steps, atOnce }) {
        count = steps
        let left = runs
        const one = async (): Promise<void> => {
          while (left-- > 0) await (await DBOS.startWorkflow(workflow)()).getResult()
        }
        await Promise.all(Array.from({ length: atOnce }, one))
      },
      close: () => DBOS.shutdown(),
    }
    return session
  },
}

function unfit(): Promise<never> {
  return Promise.reject(new Error('dbos takes part in steps only'))
}

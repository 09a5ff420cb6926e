import pg from 'pg'
import { inputOf, type Job, type Peer, type Session } from '../peer.ts'

/** https://worker.graphile.org/docs/performance: local queue, batched completion, no line of log per job. */
export const peer: Peer = {
  name: 'graphile-worker',
  store: 'postgres',
  packages: ['graphile-worker', 'pg'],
  settings:
    'localQueue.size 500, completeJobBatchDelay 0, failJobBatchDelay 0, NO_LOG_SUCCESS, 20 connections; concurrency as given',
  features: ['keys', 'priority', 'delay'],
  open: (place, { concurrency }) => open(place.url, concurrency),
}

async function open(connectionString: string, concurrentJobs: number): Promise<Session> {
  process.env['NO_LOG_SUCCESS'] = '1'
  const { Logger, makeWorkerUtils, run } = await import('graphile-worker')
  const logger = new Logger(
    () => (level: string, message: string) =>
      level === 'error' ? console.error('graphile-worker:', message) : undefined,
  )
  let settled: (count: number) => void = () => undefined
  const pgPool = new pg.Pool({ connectionString, max: 20, Client: listeningClient((count) => settled(count)) })
  pgPool.on('error', () => undefined)
  pgPool.on('connect', (client) => client.on('error', () => undefined))
  const utils = await makeWorkerUtils({ pgPool, logger })
  await utils.migrate()
  let runner: { stop(): Promise<void> } | undefined
  return {
    add: (one) => utils.addJob('noop', inputOf(one), specOf(one)),
    addMany: (jobs) =>
      utils.addJobs(jobs.map((one) => ({ identifier: 'noop', payload: inputOf(one), ...specOf(one) }))),
    async work(ears) {
      settled = (count) => ears.settled(count)
      const preset = {
        worker: { concurrentJobs, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      }
      const taskList = { noop: async (payload: unknown) => ears.started((payload as { n: number }).n) }
      runner = await run({ pgPool, logger, preset, taskList, noHandleSignals: true, parsedCronItems: [] })
    },
    async close() {
      await runner?.stop()
      await utils.release()
      await pgPool.end()
    },
  }
}

function specOf(one: Job): { queueName?: string; runAt?: Date; priority?: number } {
  return {
    ...(one.key !== undefined && { queueName: one.key }),
    ...(one.delay !== undefined && { runAt: new Date(Date.now() + one.delay) }),
    ...(one.low && { priority: 10 }),
  }
}

/** Its "job:complete" comes before a batched completion is written, so the statement itself tells. */
function listeningClient(settled: (count: number) => void): typeof pg.Client {
  return class extends pg.Client {
    // oxlint-disable-next-line typescript/no-explicit-any -- the driver's overloads
    override query(...call: any[]): any {
      const [config] = call as [{ name?: string; values?: unknown[][] }]
      // oxlint-disable-next-line typescript/no-explicit-any
      const answer = (super.query as any)(...call)
      const name = config?.name ?? ''
      if (name.startsWith('complete_job')) {
        const ids = config.values?.[0]
        void answer.then(() => settled(Array.isArray(ids) ? ids.length : 1))
      }
      return answer
    }
  }
}

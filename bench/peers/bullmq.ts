import { inputOf, type Job, type Peer, type Session } from '../peer.ts'

/** https://docs.bullmq.io/guide/workers/concurrency: one worker with a high concurrency factor for light jobs. */
export const peer: Peer = {
  name: 'bullmq',
  store: 'redis',
  packages: ['bullmq', 'ioredis'],
  settings: 'concurrency 100, enableReadyCheck off, completed jobs kept (default)',
  features: ['priority', 'delay'],
  async open(place) {
    const { Queue, Worker } = await import('bullmq')
    const { Redis } = await import('ioredis')
    const connect = () => new Redis(place.url, { maxRetriesPerRequest: null, enableReadyCheck: false })
    const connections = [connect()]
    const options = { prefix: place.namespace }
    const queue = new Queue('noop', { ...options, connection: connections[0]! })
    await queue.waitUntilReady()
    let worker: { close(): Promise<void> } | undefined
    const session: Session = {
      add: (one) => queue.add('noop', inputOf(one), specOf(one)),
      addMany: (jobs) => queue.addBulk(jobs.map((one) => ({ name: 'noop', data: inputOf(one), opts: specOf(one) }))),
      async work(ears) {
        connections.push(connect())
        const handler = async (job: { data: { n: number } }) => ears.started(job.data.n)
        const started = new Worker('noop', handler, { ...options, connection: connections[1]!, concurrency: 100 })
        worker = started
        started.on('completed', () => ears.settled(1))
        started.on('error', (error) => console.error('bullmq:', error))
        await started.waitUntilReady()
      },
      async close() {
        await worker?.close()
        await queue.close()
        for (const connection of connections) connection.disconnect()
      },
    }
    return session
  },
}

function specOf(one: Job): { delay?: number; priority?: number } {
  return { ...(one.delay !== undefined && { delay: one.delay }), ...(one.low && { priority: 10 }) }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type JobRef, legwork, LegworkError } from '../../src/index.ts'
import { latest, load, queues, tenants } from './bounds-jobs.ts'

/** Adds jobs as fast as it may, in all ways there are, and says which were accepted. */
const lw = await legwork({ jobs: [load, latest], queues, database: { url: process.argv[2] ?? '', connections: 4 } })
const of = (n: number) => ({ headers: { tenant: tenants[n % tenants.length] ?? '' } })

const ways: readonly ((n: number) => Promise<readonly JobRef[]>)[] = [
  async (n) => [await lw.enqueue(load, n, of(n))],
  async (n) => lw.enqueueMany(load, [n, n, n], of(n)),
  async (n) =>
    lw.transaction(async (tx) => {
      const ref = await lw.enqueue(load, n, { ...of(n), tx })
      await sleep(2)
      return [ref]
    }),
  async (n) => lw.enqueueMany(latest, [n, n]),
  async (n) => Promise.all([lw.enqueue(latest, n), lw.enqueue(latest, n)]),
]

process.stdout.write('producing\n')
await Promise.all(
  [0, 1, 2].map(async (lane) => {
    for (let n = lane; ; n++) await produce(n)
  }),
)

async function produce(n: number): Promise<void> {
  try {
    const refs = await ways[n % ways.length]?.(n)
    process.stdout.write(`accepted ${refs?.map(({ id }) => id).join(' ')}\n`)
  } catch (error) {
    if (!(error instanceof LegworkError) || error.code !== 'LW_QUEUE_FULL') throw error
    await sleep(10)
  }
}

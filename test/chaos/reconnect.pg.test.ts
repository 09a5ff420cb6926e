import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type AnyJob, job, legwork, type Legwork } from '../../src/index.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { type Proxy, proxyTo } from './proxy.ts'

const input = z.object({ n: z.number() })
const working = job('working', { input, retry: { attempts: 5, first: '20ms' } }, async ({ input: { n }, progress }) => {
  progress(n % 100)
  await sleep(5)
  return n
})

async function open(url: string, patience = 30_000, jobs: readonly AnyJob[] = [working]): Promise<Legwork> {
  const lw = await legwork({ jobs, database: { url, patience } })
  onTestFinished(() => lw.close({ timeout: 0 }))
  return lw
}

async function fresh(): Promise<Extract<TestDatabase, { kind: 'postgres' }>> {
  const database = await freshDatabase()
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  return database
}

/** Adds jobs of every kind, breaks something whenever some have ended, and waits until all have. */
async function through(lw: Legwork, breakIt: () => Promise<unknown>, times: number): Promise<number> {
  const inputs = Array.from({ length: 300 }, (_, n) => ({ n }))
  const refs = await lw.enqueueMany(working, inputs, ({ n }) => ({
    ...(n % 5 === 0 && { delay: n * 10 }),
    ...(n % 3 === 0 && { key: `k${n % 4}` }),
  }))
  const all = Promise.all(refs.map((ref) => ref.result({ timeout: '60s' })))
  // All that have ended since the beginning count: many end at once when a connection is back, and nobody may wait for more than there are.
  const ended = Array.from({ length: times }, (_, time) => completed(lw, 20 * (time + 1)))
  for (const some of ended) {
    await some
    await breakIt()
  }
  return new Set(await all).size
}

/** Resolves when so many more jobs have completed here. */
function completed(lw: Legwork, count: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = lw.on('completed', () => {
      if (--count > 0) return
      stop()
      resolve()
    })
  })
}

/** A hint reaches a worker that would not look by itself for an hour: its listening connection is back. */
async function hears(worker: Legwork, producer: Legwork): Promise<void> {
  for (;;) {
    const started = completed(worker, 1)
    await producer.enqueue(working, { n: 1 })
    if (await Promise.race([started.then(() => true), sleep(1_000, false)])) return
  }
}

test('connections that the server ends are replaced in every loop', { timeout: 90_000 }, async () => {
  const database = await fresh()
  const lw = await open(database.url)
  await lw.work({ poll: '200ms', lease: '5s', stopOnSignal: false })
  const kill = () =>
    database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'legwork'`,
    )
  expect(await through(lw, kill, 6)).toBe(300)
})

test('hints come through again after the listening connection was ended', { timeout: 60_000 }, async () => {
  const database = await fresh()
  const proxy = await proxyTo(database.url)
  const worker = await open(proxy.url)
  const producer = await open(database.url)
  await worker.work({ poll: '1h', stopOnSignal: false })
  await hears(worker, producer)
  proxy.cut()
  await expect(hears(worker, producer)).resolves.toBeUndefined()
})

test.each(['orderly', 'crash'] as const)(
  'the server is restarted in mid-run: %s',
  { timeout: 120_000 },
  async (how) => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const lw = await open(server.url)
    await lw.work({ poll: '200ms', lease: '5s', stopOnSignal: false })
    expect(await through(lw, () => server.restart(how), 2)).toBe(300)
  },
)

test('a connection that is cut, again and again', { timeout: 90_000 }, async () => {
  const database = await fresh()
  const proxy = await proxyTo(database.url)
  const lw = await open(proxy.url)
  await lw.work({ poll: '200ms', lease: '5s', stopOnSignal: false })
  expect(await through(lw, async () => proxy.cut(), 8)).toBe(300)
})

test('a server that refuses connections fails after the patience, and says so', async () => {
  const failed = legwork({ jobs: [], database: { url: 'postgres://nobody@127.0.0.1:1/none', patience: 300 } })
  await expect(failed).rejects.toMatchObject({
    code: 'LW_DATABASE_UNREACHABLE',
    message: expect.stringContaining('0.3 s'),
  })
})

test('a server that is there and does not answer fails after the patience too', { timeout: 30_000 }, async () => {
  const database = await fresh()
  const proxy = await proxyTo(database.url)
  proxy.stall()
  const failed = legwork({ jobs: [], database: { url: proxy.url, patience: 300 } })
  await expect(withinSeconds(5, failed)).rejects.toMatchObject({ code: 'LW_DATABASE_UNREACHABLE' })
})

test('a wrong password or database is told at once, not waited for', async () => {
  const database = await fresh()
  const url = new URL(database.url)
  url.pathname = '/nowhere'
  await expect(withinSeconds(5, legwork({ jobs: [], database: url.href }))).rejects.toMatchObject({ code: '3D000' })
})

test('an engine whose network has gone silent still closes', { timeout: 60_000 }, async () => {
  const database = await fresh()
  const proxy = await proxyTo(database.url)
  const lw = await legwork({ jobs: [working], database: { url: proxy.url, patience: 500 } })
  await lw.work({ poll: '200ms', stopOnSignal: false })
  await (await lw.enqueue(working, { n: 1 })).result()
  const closing = stallFor(proxy, () => withinSeconds(40, lw.close({ timeout: 0 })))
  await expect(closing).resolves.toBeUndefined()
})

async function stallFor<T>(proxy: Proxy, work: () => Promise<T>): Promise<T> {
  proxy.stall()
  try {
    return await work()
  } finally {
    proxy.cut()
  }
}

/** Fails when `work` takes longer: an upper bound that only a wait without a bound can miss. */
async function withinSeconds<T>(seconds: number, work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const timer = sleep(seconds * 1_000, undefined, late).then(() => {
    throw new Error(`It took longer than ${seconds} s.`)
  })
  try {
    return await Promise.race([work, timer])
  } finally {
    late.abort()
    timer.catch(() => undefined)
  }
}

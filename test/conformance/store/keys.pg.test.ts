import { expect, test } from 'vitest'
import { openPool } from '../../support/pool.ts'
import { storeBenches } from '../support.ts'

const storeBench = storeBenches()

test.each(['settle', 'settle of one that is not ours any more beside it'])(
  'a %s that meets a claim at the row of its key waits for it, and sees who was set aside',
  async (how) => {
    const { database, store, enqueue, worker, stateOf } = await storeBench()
    if (database.kind !== 'postgres') throw new Error('This needs a server.')
    const [a, b, lost] = await enqueue({ key: 'k' }, { key: 'k' }, {})
    const one = await worker()
    const jobs = await one.claim()
    expect(jobs.map((job) => job.id)).toEqual([a, lost])
    if (how !== 'settle') await database.query('update legwork.job set claim = claim + 1 where id = $1', [lost])
    // The claim of another worker, in the middle of its commit.
    const client = await openPool(database.url).connect()
    try {
      await client.query('begin')
      await client.query('update legwork.key_holder set waiting = true')
      await client.query('update legwork.job set state = 2 where id = $1', [b])
      const settled = one.end(jobs)
      await expect
        .poll(async () => (await client.query('select from pg_locks where not granted')).rowCount, { timeout: 10_000 })
        .toBeGreaterThan(0)
      await client.query('commit')
      expect(await settled).toEqual(how === 'settle' ? [a, lost] : [a])
    } finally {
      client.release()
    }
    expect(await stateOf(b!)).toBe('ready')
    expect(await store.sweep(0)).toEqual([])
    expect((await one.claim()).map((job) => job.id)).toEqual([b])
  },
)

test('a claim of many free keys that meets another claim at one of them takes the others', async () => {
  const { database, enqueue, worker, stateOf } = await storeBench()
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  const ids = await enqueue(...Array.from({ length: 60 }, (_, n) => ({ key: `k${n}` })))
  const [second] = await enqueue({ key: 'k0' })
  const one = await worker()
  // The claim of another worker, in the middle of its commit.
  const client = await openPool(database.url).connect()
  try {
    await client.query('begin')
    await client.query('update legwork.job set worker_id = 99, claim = claim + 1 where id = $1', [ids[0]])
    await client.query(`insert into legwork.key_holder (slot, name, key, job_id) values (0, 'plain', 'k0', $1)`, [
      ids[0],
    ])
    const claiming = one.claim()
    await expect
      .poll(async () => (await client.query('select from pg_locks where not granted')).rowCount, { timeout: 10_000 })
      .toBeGreaterThan(0)
    await client.query('commit')
    expect((await claiming).map((job) => job.id)).toEqual(ids.slice(1))
  } finally {
    client.release()
  }
  expect(await stateOf(second!)).toBe('blocked')
  const keys = await database.query('select key, job_id::text as job, waiting from legwork.key_holder order by job_id')
  expect(keys).toHaveLength(60)
  expect(keys[0]).toEqual({ key: 'k0', job: ids[0], waiting: true })
})

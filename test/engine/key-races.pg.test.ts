import type pg from 'pg'
import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import type { Queryable } from '../../src/store/connection.ts'
import { cancel } from '../../src/store/queries/cancel.ts'
import { testEngine, type TestWorld } from '../support/engine.ts'
import { openPool } from '../support/pool.ts'

const mail = job('mail', { queue: 'mail', key: () => 'k' })
const plain = job('plain', { queue: 'mail' })
const ran: unknown[] = []
const keyed = job('keyed', { key: () => 'k' }, ({ input }) => void ran.push(input))

test.each(['cancel', 'shed'])(
  'a job that has its key is cancelled and shed at once, the %s first: neither is rolled back',
  async (first) => {
    const it = await testEngine({
      jobs: [mail, plain],
      queues: { mail: { bound: { depth: 2, whenFull: 'shed' } } },
      work: false,
    })
    const pool = poolOf(it)
    const ref = await it.engine.enqueue(mail)
    await it.engine.enqueue(plain)
    await it.database.query(
      `insert into legwork.key_holder (slot, name, key, job_id, waiting) values (0, 'mail', 'k', $1, true)`,
      [ref.id],
    )
    const gate = await pool.connect()
    try {
      await gate.query('begin')
      await gate.query('select from legwork.key_holder for update')
      const calls = {
        cancel: () => alone(it, (tx) => cancel(tx, 0, ref.id, 'not wanted')),
        shed: () => alone(it, (tx) => tx.query(enqueuePlain, [])),
      }
      const one = calls[first as keyof typeof calls]()
      await expect.poll(() => waiters(it), { timeout: 10_000 }).toBe(1)
      const two = calls[first === 'cancel' ? 'shed' : 'cancel']()
      let over = false
      void two.then(() => (over = true))
      await expect.poll(async () => over || (await waiters(it)) === 2, { timeout: 10_000 }).toBe(true)
      await gate.query('commit')
      await Promise.all([one, two])
    } finally {
      gate.release()
    }
    expect((await ref.status()).state).toBe('cancelled')
    await it.advance('2s')
    await it.engine.work({ stopOnSignal: false })
    await it.advance('5s')
    expect(await it.database.query('select from legwork.key_holder')).toEqual([])
  },
)

test.each(['cancelled', 'put off', 'expired'])(
  'one that is given its key while it is %s does not keep it',
  async (how) => {
    ran.length = 0
    const it = await testEngine({ jobs: [keyed], work: false })
    const pool = poolOf(it)
    const ref = await it.engine.enqueue(keyed, 'first', how === 'expired' ? { startWithin: '1m' } : {})
    await it.engine.enqueue(keyed, 'second')
    await it.database.query(`insert into legwork.key_holder (slot, name, key, waiting) values (0, 'keyed', 'k', true)`)
    if (how === 'expired') await it.advance('2m')
    const ends = {
      cancelled: `delete from legwork.job where id = ${ref.id}`,
      'put off': `update legwork.job set state = 1, run_at = legwork.now() + interval '1 day' where id = ${ref.id}`,
      expired: `update legwork.job set worker_id = 99, claim = 1 where id = ${ref.id}`,
    }
    // Another process, in the middle of its commit.
    const other = await pool.connect()
    try {
      await other.query('begin')
      await other.query(ends[how as keyof typeof ends])
      await it.engine.work({ stopOnSignal: false, queues: ['nothing'] })
      await it.advance('3s') // the sweep
      await other.query(how === 'expired' ? `delete from legwork.job where id = ${ref.id}` : 'select')
      await other.query('commit')
    } finally {
      other.release()
    }
    const two = await it.another({ work: {} })
    await two.advance('5s')
    expect(ran).toEqual(['second'])
  },
)

const enqueuePlain = {
  name: '',
  text: `select legwork.enqueue('plain', queue => 'mail', priority => -1)`,
  repeatable: false,
}

function poolOf({ database }: TestWorld): pg.Pool {
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  return openPool(database.url)
}

/** In a transaction on a connection of its own, of which a deadlock is not tried again. */
async function alone(it: TestWorld, work: (tx: Queryable) => Promise<unknown>): Promise<void> {
  const client = await poolOf(it).connect()
  const query = async (text: string, params?: readonly unknown[]) =>
    (await client.query(text, params && [...params])).rows
  try {
    await client.query('begin')
    await work({
      query: async <R>({ text }: { text: string }, params: readonly unknown[]) => (await query(text, params)) as R[],
      script: async (text) => void (await query(text)),
    })
    await client.query('commit')
  } finally {
    client.release(true)
  }
}

/** Sessions that wait for a row of this database. */
async function waiters({ database }: TestWorld): Promise<number> {
  const [row] = await database.query(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return Number(row?.['n'])
}

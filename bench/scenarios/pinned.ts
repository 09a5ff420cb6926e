import pg from 'pg'
import { warmUp } from '../load.ts'
import type { Run, Scenario } from '../scenario.ts'
import { steadyRate } from './steady.ts'

/** Five times the jobs of a drain: what cannot be vacuumed grows with every job, so a short run would show nothing. */
const times = 5

/** A transaction of somebody else that stays open: a report, a backup, a forgotten session. */
const transactions = {
  read: ['begin isolation level repeatable read', 'select count(*) from pg_class'],
  xid: ['begin isolation level repeatable read', 'select count(*) from pg_class', 'select txid_current()'],
}

export const pinned: Scenario = {
  name: 'pinned',
  title: `Steady, with ${times} × the jobs, while somebody holds a transaction open (it keeps vacuum from removing anything)`,
  metrics: {
    'pinned/clean': { title: 'without', unit: 'jobs/s', better: 'more' },
    'pinned/read': { title: 'repeatable read held', unit: 'jobs/s', better: 'more' },
    'pinned/xid': { title: 'transaction id held', unit: 'jobs/s', better: 'more' },
  },
  cases: {
    clean: async (run) => ({ 'pinned/clean': await pinnedRate(run, []) }),
    read: async (run) => ({ 'pinned/read': await pinnedRate(run, transactions.read) }),
    xid: async (run) => ({ 'pinned/xid': await pinnedRate(run, transactions.xid) }),
  },
  unfit: (peer) => (peer.store === 'postgres' ? undefined : 'Redis has no transactions that could be held'),
}

async function pinnedRate(run: Run, statements: readonly string[]): Promise<number> {
  await warmUp(run)
  await run.analyze()
  const client = new pg.Client(run.place.url)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
    return await steadyRate(run, run.sizes.jobs * times)
  } finally {
    await client.end()
  }
}

import { job, schedule } from 'legwork'

export const schema = [
  'create schema if not exists site',
  'create table if not exists site.visit (at timestamptz not null)',
  'create table if not exists site.session (id serial primary key, expires_at timestamptz not null)',
  'create table if not exists site.summary (ends timestamptz primary key, visits int not null, author text not null)',
]

export interface Transaction {
  query(text: string, params: readonly unknown[]): Promise<Record<string, unknown>[]>
}

/** Runs `work` in a transaction of the site's database. */
export type Transact = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>

/** The jobs and schedules of a small web site, as every instance of it has them. */
export function siteOf(instance: string, transact: Transact) {
  /** Counts the visits of its interval. A second run for the same day writes the same row: delivery is at least once. */
  const dailySummary = job('daily-summary', {}, async ({ schedule: facts, log }) => {
    if (!facts) throw new Error('only the schedule knows of which day')
    const { from, to } = facts.interval
    const [row] = await transact((tx) =>
      tx.query(
        `insert into site.summary (ends, visits, author)
           select $2::timestamptz, count(*), $3 from site.visit where at >= $1::timestamptz and at < $2::timestamptz
           on conflict (ends) do update set visits = excluded.visits, author = excluded.author
           returning visits`,
        [from.toISOString(), to.toISOString(), instance],
      ),
    )
    log.info('counted', { from: from.toISOString(), to: to.toISOString(), visits: row?.['visits'] })
    return row?.['visits']
  })

  const cleanSessions = job('clean-sessions', { timeout: '5m' }, async ({ schedule: facts }) => {
    const until = facts?.nominal ?? new Date()
    const gone = await transact((tx) =>
      tx.query('delete from site.session where expires_at <= $1::timestamptz returning id', [until.toISOString()]),
    )
    return gone.length
  })

  return {
    jobs: [dailySummary, cleanSessions],
    schedules: [
      // no day may be left out, however long nobody works: late ones run in order, and none is skipped for them
      schedule('daily-summary', {
        cron: '0 2 * * *',
        timezone: 'Europe/Berlin',
        job: dailySummary,
        catchUp: 'all',
        catchUpWindow: '30d',
        overlap: 'bufferAll',
      }),
      // one that is late or overlaps is not worth having: the next one does its work
      schedule('clean-sessions', { cron: '15 * * * *', job: cleanSessions, catchUp: 'none', jitter: '5m' }),
    ],
  }
}

import type pg from 'pg'
import { type AnyJob, job } from '../../src/index.ts'

export const limit = 3

export const violationTable = 'create table violation (job text not null, at timestamptz not null default now())'

/**
 * Each run takes one of as many session locks as the limit allows, which the server frees when the process dies. A run
 * that finds none is one too many.
 */
export function limitedJob(pool: pg.Pool): AnyJob {
  return job('limited', { limit, crashes: 1_000 }, async ({ id }) => {
    const client = await pool.connect()
    let seat = 0
    try {
      for (let each = 1; seat === 0 && each <= limit; each++) {
        const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [each])
        if (rows[0]?.got) seat = each
      }
      if (seat === 0) await client.query('insert into violation (job) values ($1)', [id])
      await client.query('select pg_sleep(0.005)')
    } finally {
      if (seat > 0) await client.query('select pg_advisory_unlock($1)', [seat])
      client.release()
    }
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { z } from 'zod'
import { type AnyJob, job } from '../../src/index.ts'

const work = z.object({ n: z.number() })

/** Every run of every handler, written by the handlers themselves. */
export const runTable = `create table run (
  job bigint not null, name text not null, n int not null, attempt int not null, pid int not null,
  at timestamptz not null default clock_timestamp())`

/**
 * The jobs of the chaos test. Killed workers are no fault of the jobs here, so the crash limit is out of reach.
 * @param note told of each run, when it begins
 */
export function chaosJobs(note: (name: string, n: number, id: string, attempt: number) => Promise<void>): AnyJob[] {
  const common = { input: work, crashes: 1_000, retry: { attempts: 4, first: '50ms', backoff: 'fixed' } } as const
  const handler = (name: string, go: (attempt: number, n: number) => Promise<void>) =>
    job(name, common, async ({ id, attempt, input }) => {
      await note(name, input.n, id, attempt)
      await go(attempt, input.n)
    })
  return [
    handler('plain', async () => undefined),
    handler('keyed', async () => sleep(3)),
    handler('working', async (_, n) => sleep(20 + (n % 50))),
    handler('retrying', async (attempt, n) => {
      if (attempt <= 1 + (n % 2)) throw new Error(`attempt ${attempt} of job ${n} fails`)
    }),
  ]
}

/** Notes a run, waiting out a server that is away: a run that could not be noted would look like one that never was. */
export function noteIn(pool: pg.Pool): Parameters<typeof chaosJobs>[0] {
  return async (name, n, id, attempt) => {
    for (;;) {
      try {
        await pool.query('insert into run (job, name, n, attempt, pid) values ($1, $2, $3, $4, $5)', [
          id,
          name,
          n,
          attempt,
          process.pid,
        ])
        return
      } catch {
        await sleep(50)
      }
    }
  }
}

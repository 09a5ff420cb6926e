import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { legwork } from '../../src/index.ts'
import { freshDatabase } from '../support/database.ts'
import { openPool } from '../support/pool.ts'
import { limitedJob, violationTable } from './limits-jobs.ts'
import { run, until } from './processes.ts'

const total = 400
const pace = 80

test(
  'four processes and kills: never more than the limit at once, and the places of the killed come back',
  { timeout: 240_000 },
  async () => {
    const database = await freshDatabase()
    if (database.kind !== 'postgres') throw new Error('this test needs a server')
    const pool = openPool(database.url)
    await pool.query(violationTable)
    const lw = await legwork({ jobs: [limitedJob(pool)], database: database.url })
    onTestFinished(() => lw.close())
    await lw.enqueueMany(
      limitedJob(pool),
      Array.from({ length: total }, (_, n) => n),
    )

    const start = () => run('limits-worker.ts', database.url)
    const alive = Array.from({ length: 4 }, start)
    await Promise.all(alive.map((script) => script.said('working')))
    for (let next = pace; next <= total; next += pace) {
      await until(`${next} jobs completed`, async () => (await completed(pool)) >= next)
      alive.shift()?.kill()
      alive.push(start())
    }
    expect((await pool.query('select job from violation')).rows).toEqual([])
    expect((await pool.query('select used, called, waiting from legwork.limiter')).rows).toEqual([
      { used: 0, called: 0, waiting: 0 },
    ])
    expect((await pool.query('select from legwork.permit')).rows).toEqual([])
  },
)

async function completed(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>('select count(*)::int as n from legwork.finished where state = 10')
  return rows[0]?.n ?? 0
}

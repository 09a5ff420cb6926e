import { expect, onTestFinished, test } from 'vitest'
import { timetableOf } from '../../src/schedule/timetables.ts'
import { openConnection } from '../../src/store/open.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openVirtualTime, setVirtualTime } from '../../src/testing/database-time.ts'
import { openPool } from '../support/pool.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { run, until } from './processes.ts'
import { schedules } from './schedules-jobs.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const processes = 10

/** A month in which both zones change their clocks. */
const start = new Date('2026-10-10T00:07:00Z')
const end = new Date(start.getTime() + 31 * day)

test(
  'ten processes with wrong clocks, kills, cut connections and restarts of the server: every instant of a month fires once',
  { timeout: 400_000 },
  async () => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const connection = await openConnection(server.url)
    onTestFinished(() => connection.close())
    const pool = openPool(server.url)
    pool.on('error', () => undefined) // its connections are cut as well
    await migrate(connection)
    await openVirtualTime(connection, start)

    const random = randomOf(7)
    const skewed = () => run('schedules-worker.ts', server.url, String(Math.round((random() - 0.5) * 20 * day)))
    const alive = Array.from({ length: processes }, skewed)
    await Promise.all(alive.map((one) => one.said('working')))
    for (let now = start, step = 1; now < end; step++) {
      now = new Date(Math.min(end.getTime(), now.getTime() + 5 * minute + random() * 18 * hour))
      await setVirtualTime(connection, now)
      if (step % 4 === 0) {
        alive.splice(Math.floor(random() * alive.length), 1)[0]?.kill()
        alive.push(skewed())
      }
      if (step % 9 === 0) await pool.query(cut).catch(() => undefined)
      if (step % 25 === 0) await server.restart(step % 2 === 0 ? 'crash' : 'orderly')
      await until(`everything up to ${now.toISOString()} has fired`, async () => (await due(pool)) === 0)
    }

    for (const { id, spec } of schedules) {
      const table = timetableOf(spec, id)
      const expected: string[] = []
      for (let at = table.next(start); at && at <= end; at = table.next(at)) expected.push(at.toISOString())
      const fired = await pool.query<{ nominal: Date; outcome: number }>(
        'select nominal, outcome from legwork.firing where schedule = $1 and nominal <= $2 order by nominal',
        [id, new Date(end.getTime() - 5 * minute)],
      )
      const inTime = expected.filter((at) => new Date(at).getTime() <= end.getTime() - 5 * minute)
      expect(fired.rows.filter(({ outcome }) => outcome !== 1)).toEqual([])
      expect(fired.rows.map(({ nominal }) => nominal.toISOString())).toEqual(inTime)
    }
    await until('all jobs have run', async () => (await unfinished(pool)) === 0)
    const jobs = await pool.query<{ n: number; different: number }>(
      `select count(*)::int as n, count(distinct (options->'schedule'->>'id') || (options->'schedule'->>'nominal'))::int as different
         from legwork.finished where state = 10`,
    )
    const rows = await pool.query<{ n: number }>('select count(*)::int as n from legwork.firing')
    expect(jobs.rows[0]).toEqual({ n: rows.rows[0]?.n, different: rows.rows[0]?.n })
  },
)

const cut = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and random() < 0.5`

type Pool = ReturnType<typeof openPool>

async function due(pool: Pool): Promise<number | undefined> {
  return countOf(pool, 'select count(*)::int as n from legwork.schedule where due_at <= legwork.now()')
}

async function unfinished(pool: Pool): Promise<number | undefined> {
  return countOf(pool, 'select count(*)::int as n from legwork.job')
}

/** Undefined while the server cannot be asked. */
async function countOf(pool: Pool, text: string): Promise<number | undefined> {
  try {
    return (await pool.query<{ n: number }>(text)).rows[0]?.n
  } catch {
    return undefined
  }
}

/** The same numbers from 0 to 1 in every run. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

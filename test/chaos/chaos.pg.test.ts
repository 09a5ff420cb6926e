import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { legwork, type Legwork } from '../../src/index.ts'
import { openPool } from '../support/pool.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { chaosJobs, runTable } from './chaos-jobs.ts'
import { explain, type Incidents, type RunRow } from './explain.ts'
import { run, type Script, until } from './processes.ts'

const total = 2_000
const workers = 4
/** A kill after each so many completed jobs; half-way the server goes down and comes back. */
const pace = 140

test('2,000 jobs survive killed workers and a restart of the database', { timeout: 240_000 }, async ({ annotate }) => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const pool = openPool(server.url)
  await pool.query(runTable)
  const lw = await legwork({ jobs: chaosJobs(async () => undefined), database: server.url })
  onTestFinished(() => lw.close())
  await enqueueAll(lw)

  const incidents = await wreak(server, pool)

  const { rows: states } = await pool.query('select state, count(*)::int as n from legwork.jobs group by 1')
  expect(states).toEqual([{ state: 'completed', n: total }])
  const { rows: left } = await pool.query(
    'select (select count(*)::int from legwork.key_holder) as keys, (select count(*)::int from legwork.job) as jobs',
  )
  expect(left).toEqual([{ keys: 0, jobs: 0 }])
  const { rows } = await pool.query<RunRow>('select job, name, n, attempt, pid, at from run order by at')
  const report = explain(rows, incidents)
  await annotate(report.text)
  process.stdout.write(`${report.text}\n`)
  expect(report.unexplained).toEqual([])
  expect(new Set(rows.map((row) => row.job)).size).toBe(total)
  expect(disorder(rows)).toEqual([])
})

async function enqueueAll(lw: Legwork): Promise<void> {
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))
  const [plain, keyed, working, retrying] = chaosJobs(async () => undefined)
  await lw.enqueueMany(plain!, numbers(800))
  await lw.enqueueMany(keyed!, numbers(400), ({ n }: { n: number }) => ({ key: `k${n % 20}` }))
  await lw.enqueueMany(working!, numbers(500))
  await lw.enqueueMany(retrying!, numbers(300))
}

/** Kills workers until all is done, starting a new one for each, and restarts the server once. */
async function wreak(server: PostgresServer, pool: pg.Pool): Promise<Incidents> {
  const incidents: Incidents = { kills: [], restarts: [], scripts: [] }
  const start = () => {
    const script = run('chaos-worker.ts', server.url)
    incidents.scripts.push(script)
    return script
  }
  const alive = Array.from({ length: workers }, start)
  await Promise.all(alive.map((script) => script.said('working')))
  for (let next = pace; ; next += pace) {
    const done = await until(`${next} jobs completed`, async () => reached(pool, Math.min(next, total)))
    if (done === total) return incidents
    kill(alive, (next / pace) % workers, incidents)
    alive.push(start())
    if (incidents.restarts.length === 0 && done >= total / 2) await restart(server, incidents)
  }
}

function kill(alive: Script[], place: number, incidents: Incidents): void {
  const [victim] = alive.splice(place, 1)
  victim!.kill()
  incidents.kills.push({ pid: victim!.pid, at: Date.now() })
}

async function restart(server: PostgresServer, incidents: Incidents): Promise<void> {
  const from = Date.now()
  await server.restart('crash')
  incidents.restarts.push({ from, to: Date.now() })
}

/** How many have completed, once they are so many; the server may be away meanwhile. */
async function reached(pool: pg.Pool, wanted: number): Promise<number | undefined> {
  const { rows } = await pool
    .query<{ n: number }>('select count(*)::int as n from legwork.finished where state = 10')
    .catch(() => ({ rows: [] }))
  const n = rows[0]?.n ?? 0
  return n >= wanted ? n : undefined
}

/** Keys whose jobs did not run in the order they were added, by the last run of each. */
function disorder(rows: readonly RunRow[]): string[] {
  const lastRun = new Map(rows.filter((row) => row.name === 'keyed').map((row) => [row.n, row.at.getTime()]))
  return [...lastRun]
    .filter(([n, at]) => at < (lastRun.get(n - 20) ?? 0))
    .map(([n]) => `k${n % 20}: ${n} before ${n - 20}`)
}

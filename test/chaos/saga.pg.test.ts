import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { legwork } from '../../src/index.ts'
import { openPool } from '../support/pool.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { run, type Script, until } from './processes.ts'
import { fails, sagaJobs, sagaTables } from './saga-jobs.ts'

const total = 200
const workers = 3
/** A kill after each so many ended orders. */
const pace = 12

test('200 orders with undo survive killed workers: every figure agrees', { timeout: 240_000 }, async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const pool = openPool(server.url)
  await pool.query(sagaTables)
  const { order, all } = sagaJobs(pool)
  const lw = await legwork({ jobs: all, database: server.url })
  onTestFinished(() => lw.close())
  const orders = Array.from({ length: total }, (_, n) => n)
  await lw.enqueueMany(order, orders)

  const kills = await killUntilDone(server.url, pool)

  expect(kills).toBeGreaterThan(10)
  const good = orders.filter((n) => !fails(n))
  const bad = orders.filter(fails)
  const numbers = async (sql: string) => (await pool.query<{ n: number }>(sql)).rows.map(({ n }) => n)
  const ended = (state: string) =>
    numbers(`select input::int as n from legwork.jobs where name = 'order' and state = '${state}' order by 1`)
  expect(await ended('completed')).toEqual(good)
  expect(await ended('compensated')).toEqual(bad)
  expect(await numbers('select n from hold order by 1')).toEqual(good)
  expect(await numbers('select n from shipped order by 1')).toEqual(good)
  expect(await numbers('select n from charge where not refunded order by 1')).toEqual(good)
  expect(await numbers(`select n from ledger where entry = 'booked' order by 1`)).toEqual(orders)
  expect(await numbers(`select n from ledger where entry = 'closed' order by 1`)).toEqual(good)
})

/** Kills a worker after each so many orders and starts another; returns how many were killed. */
async function killUntilDone(url: string, pool: pg.Pool): Promise<number> {
  const start = () => run('saga-worker.ts', url)
  const alive: Script[] = Array.from({ length: workers }, start)
  await Promise.all(alive.map((script) => script.said('working')))
  for (let kills = 0; ; kills++) {
    const wanted = Math.min((kills + 1) * pace, total)
    await until(`${wanted} orders ended`, async () => (await countEnded(pool)) >= wanted)
    if (wanted === total) return kills
    alive.splice(kills % workers, 1)[0]!.kill()
    alive.push(start())
  }
}

async function countEnded(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `select count(*)::int as n from legwork.finished where name = 'order'`,
  )
  return rows[0]?.n ?? 0
}

import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('an outcome on its way to the default partition survives that its own partition is attached', async () => {
  const start = new Date('2031-05-05T12:00:00Z')
  const door = gate()
  let runs = 0
  const plain = job('plain', {}, async () => {
    runs++
    await door.opened
    return 'kept'
  })
  const { engine, database, advance } = await testEngine({ jobs: [plain], start })
  if (database.kind !== 'postgres') throw new Error('This file is for the vitest project "postgres".')
  const errors: unknown[] = []
  engine.on('error', ({ error }) => errors.push(error))
  const ref = await engine.enqueue(plain)
  await advance('5s')
  await database.query('drop table legwork.finished_done_20310505')
  const other = new pg.Client(database.url)
  await other.connect()
  onTestFinished(() => other.end())
  await other.query('begin')
  await other.query(`select legwork.add_partition('finished_done', $1, 1)`, [start])
  door.open()
  const waiting = `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  await expect
    .poll(async () => (await database.query<{ n: number }>(waiting))[0]?.n, { timeout: 5_000 })
    .toBeGreaterThan(0)
  await other.query('commit')
  expect(await ref.result()).toBe('kept')
  expect([runs, errors]).toEqual([1, []])
})

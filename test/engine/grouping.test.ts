import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { testEngine } from '../support/engine.ts'

const plain = job('plain')

/** Counts transactions that added jobs: rows of one transaction share its id. */
async function transactionsOf(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ n: number }>('select count(distinct xmin::text)::int as n from legwork.job')
  return row?.n ?? 0
}

test('concurrent enqueues share statements, and each caller gets its own job', async () => {
  const { engine, database } = await testEngine({ jobs: [plain], work: false })
  const refs = await Promise.all(Array.from({ length: 300 }, (_, n) => engine.enqueue(plain, n)))
  expect(await transactionsOf(database)).toBeLessThan(10)
  const found = await Promise.all(refs.map((ref) => ref.status()))
  expect(found.map(({ input }) => input)).toEqual(refs.map((_, n) => n))
})

test('a neighbour the database refuses does not hurt the others', async () => {
  const { engine, database } = await testEngine({ jobs: [plain], work: false })
  await database.query(`alter table legwork.job add constraint no_thirteen check (input is distinct from '13'::jsonb)`)
  const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => engine.enqueue(plain, n)))
  expect(settled.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([13])
  const [row] = await database.query<{ n: number }>('select count(*)::int as n from legwork.job')
  expect(row?.n).toBe(19)
})

test('one after the other works as well as all at once', async () => {
  const { engine, database } = await testEngine({ jobs: [plain], work: false })
  for (let n = 0; n < 30; n++) await engine.enqueue(plain, n)
  const rows = await database.query<{ input: number }>('select input from legwork.job order by id')
  expect(rows.map(({ input }) => input)).toEqual(Array.from({ length: 30 }, (_, n) => n))
})

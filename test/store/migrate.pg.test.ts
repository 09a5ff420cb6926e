import { expect, test } from 'vitest'
import { run } from '../chaos/processes.ts'
import { emptyDatabase } from '../support/database.ts'

test('ten processes start at once on an empty database: one migrates, all work', { timeout: 120_000 }, async () => {
  const database = await emptyDatabase()
  if (database.kind !== 'postgres') throw new Error('This needs a server.')
  const processes = Array.from({ length: 10 }, () => run('../store/migrate-process.ts', database.url))
  await Promise.all(processes.map((one) => one.said('ready')))
  for (const one of processes) one.tell('go')
  const ends = await Promise.all(processes.map((one) => one.ended))
  const said = processes.map((one) => one.lines.slice(1).join(', '))
  expect(said.filter((text) => text !== 'applied 0, added ready')).toEqual([
    expect.stringMatching(/^applied [1-9]\d*, added ready$/),
  ])
  expect(ends.every((end) => end.code === 0)).toBe(true)
  const [row] = await database.query<{ jobs: number; ids: number }>(
    'select (select count(*)::int from legwork.job) as jobs, (select count(distinct id)::int from legwork.migration) as ids',
  )
  expect(row).toEqual({ jobs: 10, ids: expect.any(Number) })
})

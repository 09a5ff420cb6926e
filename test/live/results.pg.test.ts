import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('the result reaches another process without a poll: no time passes', async () => {
  const hello = job('hello', {}, ({ input }) => `hello ${String(input)}`)
  const worker = await testEngine({ jobs: [hello] })
  const caller = await worker.another({ work: false })
  const results = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => (await caller.engine.enqueue(hello, name)).result()),
  )
  expect(results).toEqual(['hello a', 'hello b', 'hello c'])
})

test('when the hint gets lost, the poll finds the end', async () => {
  const hello = job('hello', {}, () => 'hello')
  const { engine, database, advance } = await testEngine({ jobs: [hello], work: false })
  const ref = await engine.enqueue(hello)
  const waiting = ref.result()
  await database.query('delete from legwork.job')
  const outcome = waiting.catch((error: unknown) => error)
  await advance('2s')
  expect(await outcome).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

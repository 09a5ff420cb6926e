import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('many families on two processes: each parent is woken once its last child has ended, none waits for ever', async () => {
  const child = job('child', { input: z.number(), retry: false }, async ({ input, step }) => {
    await step('work', () => new Promise((resolve) => setImmediate(resolve)))
    if (input % 10 === 9) throw new Error('unlucky')
    return input
  })
  const parent = job('parent', { input: z.number() }, async ({ input, runAll }) => {
    const inputs = Array.from({ length: 12 }, (_, n) => input + n)
    const settled = await runAll(child, inputs, { concurrency: 1 + (input % 5), settle: true })
    return settled.filter(({ state }) => state === 'completed').length
  })
  const one = await testEngine({ jobs: [parent, child], work: { concurrency: 8 } })
  await one.another()
  const refs = await one.engine.enqueueMany(
    parent,
    Array.from({ length: 60 }, (_, n) => n),
  )
  await one.advance('1m')
  for (const [n, ref] of refs.entries()) {
    const unlucky = Array.from({ length: 12 }, (_, k) => n + k).filter((value) => value % 10 === 9).length
    expect(await ref.result()).toBe(12 - unlucky)
  }
  expect((await one.engine.list({ name: 'child', limit: 1_000 })).jobs).toHaveLength(60 * 12)
  const { rows } = {
    rows: await one.database.query('select count(*)::int as open from legwork.batch where pending > 0'),
  }
  expect(rows).toEqual([{ open: 0 }])
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { type EnqueueOptions, job } from '../../src/index.ts'
import { testEngine, type TestWorld } from '../support/engine.ts'

const add = job('add', {
  input: z.object({ n: z.array(z.number()) }),
  merge: (waiting, added) => ({ n: [...waiting.n, ...added.n] }),
})
const callers = Array.from({ length: 60 }, (_, n) => n)

/** Sixty calls at once from three processes. */
async function crowd(world: TestWorld, options: EnqueueOptions) {
  const more = await Promise.all([world.another(), world.another()])
  const engines = [world, ...more].map(({ engine }) => engine)
  return Promise.allSettled(callers.map((n) => engines[n % 3]!.enqueue(add, { n: [n] }, options)))
}

test.each([
  ['plain', { unique: 'a' }],
  ['ignore', { unique: { value: 'a' } }],
  ['reject', { unique: { value: 'a', onConflict: 'reject' } }],
  ['replace', { unique: { value: 'a', onConflict: 'replace' } }],
  ['period', { unique: { value: 'a', for: '1h' } }],
  ['bucket', { unique: { value: 'a', bucket: '1d', onConflict: 'reject' } }],
  ['debounce', { debounce: '5s' }],
  ['throttle', { throttle: '5s' }],
] as const)('many callers at once make one job: %s', async (_name, options) => {
  const world = await testEngine({ jobs: [add], work: false })
  const calls = await crowd(world, options)
  const refs = calls.flatMap((call) => (call.status === 'fulfilled' ? [call.value] : []))
  const errors = calls.flatMap((call) => (call.status === 'rejected' ? [call.reason as { code: string }] : []))
  expect(refs.filter((ref) => ref.created).length).toBe(1)
  expect(new Set(refs.map((ref) => ref.id)).size).toBe(1)
  const rejects = JSON.stringify(options).includes('reject')
  expect(errors.map(({ code }) => code)).toEqual(rejects ? Array.from({ length: 59 }, () => 'LW_DUPLICATE') : [])
  expect((await world.engine.list()).jobs.length).toBe(1)
})

test('merges of many callers at once: none is lost, none is there twice', async () => {
  const world = await testEngine({ jobs: [add], work: false })
  const calls = await crowd(world, { unique: { value: 'a', onConflict: 'merge' } })
  expect(calls.map(({ status }) => status)).toEqual(callers.map(() => 'fulfilled'))
  const { jobs } = await world.engine.list()
  expect(jobs.length).toBe(1)
  const { n } = jobs[0]!.input as { n: number[] }
  expect(n.toSorted((a, b) => a - b)).toEqual(callers)
})

test('one idempotency key, two inputs, many callers: one job, and all with the other input are told', async () => {
  const world = await testEngine({ jobs: [add], work: false })
  const { engine } = await world.another()
  const calls = await Promise.allSettled(
    callers.map((n) =>
      (n % 3 === 0 ? engine : world.engine).enqueue(add, { n: [n % 2] }, { idempotencyKey: 'request' }),
    ),
  )
  const good = calls.filter(({ status }) => status === 'fulfilled')
  expect(good.length).toBe(30)
  expect((await world.engine.list()).jobs.length).toBe(1)
})

test('merging while workers take: every call is in a job that ran after it, and no job ran twice', async () => {
  const ran: number[] = []
  const take = add.handle(({ input }) => void ran.push(...input.n))
  const world = await testEngine({ jobs: [take], work: { concurrency: 2 } })
  await world.another()
  const unique = { value: 'a', onConflict: 'merge' } as const
  for (let round = 0; round < 20; round++)
    await Promise.all([0, 1, 2].map((n) => world.engine.enqueue(take, { n: [3 * round + n] }, { unique })))
  await world.drain()
  expect(ran.toSorted((a, b) => a - b)).toEqual(callers)
})

import { expect, test } from 'vitest'
import { job, type WorkOptions } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

/** Runs 40 jobs on each of two queues and tells the most that ran at once: all together, and per queue. */
async function mostAtOnce(work: WorkOptions): Promise<Record<string, number>> {
  const now = new Map<string, number>()
  const most: Record<string, number> = {}
  const note = (name: string, by: number): void => {
    now.set(name, (now.get(name) ?? 0) + by)
    most[name] = Math.max(most[name] ?? 0, now.get(name) ?? 0)
  }
  const busy = job('busy', {}, async ({ queue }) => {
    for (const name of ['all', queue]) note(name, 1)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    for (const name of ['all', queue]) note(name, -1)
  })
  const { engine, drain } = await testEngine({ jobs: [busy], work: false })
  for (const queue of ['a', 'b']) await engine.enqueueMany(busy, Array.from({ length: 40 }), { queue })
  await engine.work({ stopOnSignal: false, ...work })
  await drain()
  return most
}

test('never more at once than the process may run', async () => {
  expect(await mostAtOnce({ concurrency: 7 })).toMatchObject({ all: 7 })
})

test('one at a time', async () => {
  expect(await mostAtOnce({ concurrency: 1 })).toEqual({ all: 1, a: 1, b: 1 })
})

test('never more of a queue than its own limit', async () => {
  expect(await mostAtOnce({ concurrency: 8, queues: { a: 2, b: 5 } })).toEqual({ all: 7, a: 2, b: 5 })
})

test('only the queues that are named are served', async () => {
  expect(await mostAtOnce({ concurrency: 4, queues: ['b'] })).toEqual({ all: 4, b: 4 })
})

test('a busy queue does not starve another', async () => {
  const order: string[] = []
  const note = job('note', {}, ({ queue }) => void order.push(queue))
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  await engine.enqueueMany(note, Array.from({ length: 200 }), { queue: 'crowded' })
  await engine.enqueueMany(note, Array.from({ length: 3 }), { queue: 'quiet' })
  await engine.work({ concurrency: 2, stopOnSignal: false })
  await drain()
  expect(order.lastIndexOf('quiet')).toBeLessThan(100)
})

test('queues share every claim, however fast the worker', async () => {
  const order: string[] = []
  const note = job('note', {}, ({ queue }) => void order.push(queue))
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  for (const queue of ['first', 'second', 'third'])
    await engine.enqueueMany(note, Array.from({ length: 1_000 }), { queue })
  await engine.work({ concurrency: 30, stopOnSignal: false })
  await drain()
  const middle = order.slice(0, 1_500)
  for (const queue of ['first', 'second', 'third'])
    expect(middle.filter((one) => one === queue).length, queue).toBeGreaterThan(200)
})

test('sharing with another queue does not mix the priorities of a queue', async () => {
  const order: string[] = []
  const note = job('note', {}, ({ queue, priority }) => void order.push(`${queue} ${priority}`))
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  const many = Array.from({ length: 200 })
  await engine.enqueueMany(note, many, { queue: 'a' })
  await engine.enqueueMany(note, many, { queue: 'a', priority: -5 })
  await engine.enqueueMany(note, [...many, ...many], { queue: 'b' })
  await engine.work({ concurrency: 5, stopOnSignal: false })
  await drain()
  expect(order).toHaveLength(800)
  const before = order.slice(0, order.lastIndexOf('a -5'))
  expect(before.filter((one) => one === 'a 0').length).toBeLessThan(30) // what was claimed before the priorities were known
})

test('what a queue has no room for goes to the others', async () => {
  const order: string[] = []
  const note = job('note', {}, ({ queue }) => void order.push(queue))
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  for (const queue of ['narrow', 'wide']) await engine.enqueueMany(note, Array.from({ length: 400 }), { queue })
  await engine.work({ concurrency: 40, queues: { narrow: 1, wide: 40 }, stopOnSignal: false })
  await drain()
  expect(order.filter((one) => one === 'narrow')).toHaveLength(400)
  expect(order.lastIndexOf('wide')).toBeLessThan(order.lastIndexOf('narrow'))
})

test.each<[WorkOptions, string]>([
  [{ concurrency: 0 }, 'Option concurrency must be a whole number from 1 to 10000; received 0'],
  [{ queues: { a: 0 } }, 'Option queues.a must be a whole number from 1; received 0'],
  [{ lease: 'x' as '1s' }, 'Option lease must be a duration'],
  [{ poll: -1 }, 'Option poll must be a duration'],
  [{ poll: 0 }, 'Option poll must be'],
  [{ lease: 0 }, 'Option lease must be'],
  [{ stopOnSignal: 'never' as '1s' }, 'Option stopOnSignal must be a duration'],
])('work refuses %o', async (work, message) => {
  const { engine } = await testEngine({ jobs: [], work: false })
  expect((await failureOf(engine.work(work))).message).toContain(message)
})

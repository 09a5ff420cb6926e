import { expect, test } from 'vitest'
import { type BoundOptions, type EnqueueOptions, job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const mail = job('mail', { queue: 'mail' }, () => 'sent')
const acme = { headers: { tenant: 'acme' } }

test.each<{ bound: BoundOptions; options: EnqueueOptions }>([
  { bound: { depth: 25 }, options: {} },
  { bound: { depth: 25, per: { header: 'tenant' } }, options: acme },
  { bound: { rate: '25/1d', per: { header: 'tenant' } }, options: acme },
])('four writers at once: exactly as many are accepted as there is room for, $bound', async ({ bound, options }) => {
  const first = await testEngine({ jobs: [mail], queues: { mail: { bound } }, work: false })
  const writers = [first, await first.another(), await first.another(), await first.another()]
  let accepted = 0
  const write = async ({ engine }: (typeof writers)[number]): Promise<void> => {
    for (let n = 0; n < 25; n++) {
      const [end] = await Promise.allSettled([engine.enqueue(mail, {}, options)])
      if (end.status === 'fulfilled') accepted++
      else expect(end.reason).toMatchObject({ code: 'LW_QUEUE_FULL' })
    }
  }
  await Promise.all(writers.map(write))
  expect(accepted).toBe(25)
  expect((await first.engine.list({ limit: 100 })).jobs).toHaveLength(25)
})

test('four writers shed: the queue keeps its depth, and nobody is refused', async () => {
  const bound = { depth: 10, whenFull: 'shed' } as const
  const first = await testEngine({ jobs: [mail], queues: { mail: { bound } }, work: false })
  const writers = [first, await first.another(), await first.another(), await first.another()]
  await Promise.all(
    writers.flatMap(({ engine }) => Array.from({ length: 15 }, () => engine.enqueueMany(mail, [{}, {}]))),
  )
  const counts = (await first.engine.queues()).find(({ name }) => name === 'mail')?.counts
  expect(counts).toMatchObject({ ready: 10, cancelled: 110 })
})

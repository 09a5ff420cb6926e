import { expect, test } from 'vitest'
import { type BoundOptions, job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const sync = job(
  'sync',
  { queue: 'sync', key: (input) => (typeof input === 'string' ? input : undefined) },
  () => 'done',
)
const of = (tenant: string) => ({ headers: { tenant } })
const per = { header: 'tenant' } as const

const world = (bound: BoundOptions | BoundOptions[], work: false | object = false) =>
  testEngine({ jobs: [sync], queues: { sync: { bound } }, work })

test('so many of each tenant may be unfinished; others are not touched, and one that has none is not bounded', async () => {
  const { engine } = await world({ depth: 2, per })
  await engine.enqueueMany(sync, [1, 2], of('acme'))
  const failure = await failureOf(engine.enqueue(sync, 3, of('acme')))
  expect(failure).toMatchObject({
    code: 'LW_QUEUE_FULL',
    details: { bound: 'sync per tenant', value: 'acme', held: 2 },
  })
  await engine.enqueue(sync, 1, of('zoo'))
  await engine.enqueueMany(sync, [1, 2, 3])
  expect(await engine.bounds.usage('sync per tenant')).toEqual([
    { value: 'acme', unfinished: 2, accepted: undefined, until: undefined },
    { value: 'zoo', unfinished: 1, accepted: undefined, until: undefined },
  ])
})

test('what has ended makes room at once', async () => {
  const { engine, drain } = await world({ depth: 2, per }, {})
  for (let round = 0; round < 3; round++) {
    await engine.enqueueMany(sync, [1, 2], of('acme'))
    await drain()
  }
  expect((await engine.queues()).find(({ name }) => name === 'sync')?.counts.completed).toBe(6)
})

test('so many a day of each tenant, whether they have ended or not; then a new day', async () => {
  const { engine, advance, drain, clock } = await world({ rate: '3/1d', per }, {})
  await engine.enqueueMany(sync, [1, 2, 3], of('acme'))
  await drain()
  const failure = await failureOf(engine.enqueue(sync, 4, of('acme')))
  expect(failure).toMatchObject({
    code: 'LW_QUEUE_FULL',
    details: { value: 'acme', accepted: 3, retryAfter: 86_400_000 },
  })
  await engine.enqueue(sync, 1, of('zoo'))
  expect(await engine.bounds.usage('sync per tenant')).toMatchObject([
    { value: 'acme', unfinished: 0, accepted: 3, until: new Date(clock.now() + 86_400_000) },
    { value: 'zoo', accepted: 1 },
  ])
  await advance('1d')
  await engine.enqueueMany(sync, [4, 5, 6], of('acme'))
  expect(await failureOf(engine.enqueue(sync, 7, of('acme')))).toMatchObject({ code: 'LW_QUEUE_FULL' })
})

test('put off to the days to come, and counted there', async () => {
  const { engine, clock, advance } = await world({ rate: '2/1d', per, whenFull: 'delay' })
  const start = clock.now()
  const refs = await engine.enqueueMany(sync, [1, 2, 3, 4, 5], of('acme'))
  const days = await Promise.all(refs.map(async (ref) => (await ref.status()).runAt))
  expect(days.map((at) => at && (at.getTime() - start) / 86_400_000)).toEqual([undefined, undefined, 1, 1, 2])
  await advance('1d')
  const next = await engine.enqueueMany(sync, [6, 7], of('acme'))
  const later = await Promise.all(next.map(async (ref) => (await ref.status()).runAt))
  expect(later.map((at) => at && (at.getTime() - start) / 86_400_000)).toEqual([2, 3])
})

test('per key, and a bound for all beside it: both must have room', async () => {
  const { engine } = await world([{ depth: 3 }, { depth: 2, per: 'key' }])
  await engine.enqueueMany(sync, ['a', 'a'])
  expect(await failureOf(engine.enqueue(sync, 'a'))).toMatchObject({ details: { bound: 'sync per key' } })
  await engine.enqueue(sync, 'b')
  expect(await failureOf(engine.enqueue(sync, 'c'))).toMatchObject({ details: { bound: 'sync' } })
})

test('a tenant sheds its own', async () => {
  const { engine } = await world({ depth: 1, per, whenFull: 'shed' })
  const acme = await engine.enqueue(sync, 1, of('acme'))
  const zoo = await engine.enqueue(sync, 1, of('zoo'))
  await engine.enqueue(sync, 2, of('acme'))
  expect((await acme.status()).reason).toBe('shed: sync per tenant was full')
  expect((await zoo.status()).state).toBe('ready')
})

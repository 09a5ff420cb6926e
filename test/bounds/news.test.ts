import { expect, test } from 'vitest'
import { type BoundOptions, type EngineEvents, job } from '../../src/index.ts'
import { testEngine, type TestWorld } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const mail = job('mail', { queue: 'mail', key: (input) => (input as { to?: string }).to })
const urgent = job('urgent', { queue: 'mail' })

interface NewsWorld extends TestWorld {
  readonly news: EngineEvents['queue_full'][]
}

async function world(bound: BoundOptions | readonly BoundOptions[]): Promise<NewsWorld> {
  const it = await testEngine({ jobs: [mail, urgent], queues: { mail: { bound } }, work: false })
  const news: EngineEvents['queue_full'][] = []
  it.engine.on('queue_full', (event) => news.push(event))
  return { ...it, news }
}

const plain = { queue: 'mail', bound: 'mail', value: undefined, retryAfter: undefined }

test('what is refused is told once to each caller, and counted, whoever shares the statement', async () => {
  const { engine, news } = await world({ depth: 2 })
  await engine.enqueue(mail, {})
  const calls = await Promise.allSettled([engine.enqueue(mail, {}), engine.enqueue(mail, {}), engine.enqueue(urgent)])
  expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  await failureOf(engine.enqueueMany(mail, [{}, {}, {}]))
  await failureOf(engine.addBatch([mail.with({}), urgent.with(undefined)]))
  await failureOf(engine.transaction((tx) => engine.enqueue(mail, {}, { tx })))
  const refused = { ...plain, outcome: 'rejected', jobs: [], retryAfter: 5_000 }
  expect(news).toEqual([1, 1, 3, 2, 1].map((count) => ({ ...refused, count, retryAfter: expect.any(Number) })))
  await engine.idle()
  expect(await engine.bounds.get('mail')).toMatchObject({ accepted: 2, rejected: 8 })
})

test('what is shed is told with the jobs that had to go, and counted', async () => {
  const { engine, news } = await world({ depth: 3, whenFull: 'shed' })
  const [one, two] = await engine.enqueueMany(mail, [{}, {}, {}])
  await engine.enqueueMany(urgent, [1, 2])
  const jobs = [one, two].map((ref) => ({ id: ref!.id, name: 'mail', queue: 'mail' }))
  expect(news).toEqual([{ ...plain, outcome: 'shed', count: 2, jobs }])
  expect(await engine.bounds.get('mail')).toMatchObject({ accepted: 5, shed: 2, rejected: 0 })
})

test('what is put off and what is coalesced is told for each bound and value', async () => {
  const per = { header: 'tenant' }
  const { engine, news } = await world([
    { depth: 1, per, whenFull: 'delay' },
    { name: 'keys', depth: 2, per: 'key', whenFull: 'coalesce' },
  ])
  const of = (tenant: string) => ({ headers: { tenant } })
  const ada = await engine.enqueue(mail, { to: 'ada' }, of('acme'))
  expect(news).toEqual([])
  const [bob, eve] = await engine.enqueueMany(mail, [{ to: 'bob' }, { to: 'eve' }], of('acme'))
  const jobs = [bob, eve].map((ref) => ({ id: ref!.id, name: 'mail', queue: 'mail' }))
  const delayed = { ...plain, bound: 'mail per tenant', outcome: 'delayed' }
  expect(news.splice(0)).toEqual([{ ...delayed, value: 'acme', count: 2, jobs }])
  const last = await engine.enqueue(mail, { to: 'ada' })
  expect(last.created).toBe(true)
  await Promise.all([
    engine.enqueue(mail, { to: 'ada' }),
    engine.enqueue(urgent, 1, { unique: { value: 'beside a rule' } }),
  ])
  const taken = [{ id: last.id, name: 'mail', queue: 'mail' }]
  expect(news).toEqual([{ ...plain, bound: 'keys', value: 'ada', outcome: 'coalesced', count: 1, jobs: taken }])
  expect(await engine.bounds.list()).toMatchObject([
    { name: 'keys', accepted: 4, coalesced: 1 },
    { name: 'mail per tenant', accepted: 3, delayed: 2 },
  ])
  expect(ada.id).not.toBe(last.id)
})

test('with `tx` only refusals are told: nobody knows whether the rest is committed', async () => {
  const { engine, news } = await world({ depth: 1, whenFull: 'delay' })
  await engine.transaction(async (tx) => {
    await engine.enqueue(mail, {}, { tx })
    await engine.enqueue(mail, {}, { tx })
  })
  expect(news).toEqual([])
})

test('what a value came to stays counted when the value is forgotten', async () => {
  const { engine, database, advance } = await world({ rate: '2/1h', per: { header: 'tenant' }, whenFull: 'delay' })
  await engine.enqueueMany(mail, [{}, {}, {}], { headers: { tenant: 'acme' } })
  await advance('3d')
  await database.query('select legwork.mend_bounds()')
  expect(await engine.bounds.usage('mail per tenant')).toEqual([])
  expect(await engine.bounds.get('mail per tenant')).toMatchObject({ accepted: 3, delayed: 1 })
})

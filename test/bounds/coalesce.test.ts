import { expect, test } from 'vitest'
import { z } from 'zod'
import { type BoundOptions, job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const digest = job('digest', {
  queue: 'mail',
  input: z.object({ user: z.string(), events: z.array(z.string()).max(4) }),
  key: (input) => input.user,
  merge: (waiting, added) => ({ user: waiting.user, events: [...waiting.events, ...added.events] }),
})
const plain = job('plain', { queue: 'mail', key: () => 'ada' })

const full: BoundOptions = { depth: 2, whenFull: 'coalesce' }
const world = (bound: BoundOptions | readonly BoundOptions[] = full) =>
  testEngine({ jobs: [digest, plain], queues: { mail: { bound } }, work: false })
const of = (user: string, ...events: string[]) => ({ user, events })

test('with `merge` the job that waits gets what becomes of both inputs, and the call says so', async () => {
  const { engine } = await world()
  const ada = await engine.enqueue(digest, of('ada', 'signed up'))
  await engine.enqueue(digest, of('bob', 'signed up'))
  const again = await engine.enqueue(digest, of('ada', 'paid'))
  expect(again).toMatchObject({ id: ada.id, created: false, conflict: 'merged' })
  expect((await ada.status()).input).toEqual(of('ada', 'signed up', 'paid'))
  expect(await engine.bounds.get('mail')).toMatchObject({ accepted: 2, coalesced: 1 })
})

test('in bulk: each of one call is merged, several into the same job, in their order', async () => {
  const { engine } = await world()
  const [ada, bob] = await engine.enqueueMany(digest, [of('ada', '1'), of('bob', '1')])
  const refs = await engine.enqueueMany(digest, [of('ada', '2'), of('bob', '2'), of('ada', '3')])
  expect(refs.map(({ id, conflict }) => [id, conflict])).toEqual([
    [ada!.id, 'merged'],
    [bob!.id, 'merged'],
    [ada!.id, 'merged'],
  ])
  expect((await ada!.status()).input).toEqual(of('ada', '1', '2', '3'))
  expect((await bob!.status()).input).toEqual(of('bob', '1', '2'))
})

test('a merged input that does not fit the schema changes nothing, of a whole call', async () => {
  const { engine } = await world()
  const [ada, bob] = await engine.enqueueMany(digest, [of('ada', '1', '2', '3'), of('bob', '1')])
  const failure = await failureOf(engine.enqueueMany(digest, [of('bob', '2'), of('ada', '4', '5')]))
  expect(failure).toMatchObject({ code: 'LW_INPUT_INVALID', message: expect.stringContaining('Merged input') })
  expect((await ada!.status()).input).toEqual(of('ada', '1', '2', '3'))
  expect((await bob!.status()).input).toEqual(of('bob', '1'))
})

test('calls that share a statement do not spoil each other, and each is merged once', async () => {
  const { engine } = await world()
  const [ada] = await engine.enqueueMany(digest, [of('ada'), of('bob')])
  const calls = ['1', '2', '3', '4', '5'].map((event) => engine.enqueue(digest, of('ada', event)))
  const ends = await Promise.allSettled(calls)
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
  expect((await ada!.status()).input).toEqual(of('ada', '1', '2', '3', '4'))
})

test('beside a call with a rule in the same statement', async () => {
  const { engine } = await world()
  const other = await engine.enqueue(plain, 1, { unique: { value: 'other' } })
  const ada = await engine.enqueue(digest, of('ada', '1'))
  const [ruled, merged, replaced] = await Promise.all([
    engine.enqueue(plain, 2, { unique: { value: 'other', onConflict: 'replace' } }),
    engine.enqueue(digest, of('ada', '2')),
    engine.enqueue(plain, 3),
  ])
  expect(ruled).toMatchObject({ id: other.id, conflict: 'replaced' })
  expect(merged).toMatchObject({ id: ada.id, created: false, conflict: 'merged' })
  expect(replaced).toMatchObject({ id: other.id, created: false, conflict: 'replaced' })
  expect((await ada.status()).input).toEqual(of('ada', '1', '2'))
  expect((await other.status()).input).toBe(3)
})

test('in the transaction of the caller, and among the jobs of a batch', async () => {
  const { engine } = await world()
  const [ada] = await engine.enqueueMany(digest, [of('ada', '1'), of('bob', '1')])
  await engine.transaction(async (tx) => {
    const merged = await engine.enqueue(digest, of('ada', '2'), { tx })
    expect(merged.conflict).toBe('merged')
  })
  await engine.addBatch([digest.with(of('ada', '3'))])
  expect((await ada!.status()).input).toEqual(of('ada', '1', '2', '3'))
})

test('plain SQL knows no `merge`: its input replaces the other', async () => {
  const { engine, database } = await world()
  const [ada] = await engine.enqueueMany(digest, [of('ada', '1'), of('bob', '1')])
  await database.query(`select legwork.enqueue('digest', '{"user": "ada", "events": ["2"]}', key => 'ada')`)
  expect((await ada!.status()).input).toEqual(of('ada', '2'))
})

test("one tenant's job takes no input of another's, even under the same key", async () => {
  const { engine } = await world({ depth: 1, per: { header: 'tenant' }, whenFull: 'coalesce' })
  const acme = await engine.enqueue(digest, of('ada', 'of acme'), { headers: { tenant: 'acme' } })
  await engine.enqueue(digest, of('bob', 'of zoo'), { headers: { tenant: 'zoo' } })
  const failure = await failureOf(engine.enqueue(digest, of('ada', 'of zoo'), { headers: { tenant: 'zoo' } }))
  expect(failure).toMatchObject({ code: 'LW_QUEUE_FULL', details: { value: 'zoo' } })
  expect((await acme.status()).input).toEqual(of('ada', 'of acme'))
})

test('what one bound coalesces has used up nothing of the others', async () => {
  const { engine } = await world([
    { name: 'daily', rate: '3/1d' },
    { name: 'waiting', depth: 1, per: 'key', whenFull: 'coalesce' },
  ])
  for (const event of ['1', '2', '3']) await engine.enqueue(digest, of('ada', event))
  expect(await engine.bounds.get('daily')).toMatchObject({ accepted: 1 })
  expect(await engine.bounds.usage('daily')).toMatchObject([{ accepted: 1 }])
  await engine.enqueueMany(digest, [of('bob'), of('eve')])
  expect(await failureOf(engine.enqueue(digest, of('zoe')))).toMatchObject({ details: { bound: 'daily' } })
})

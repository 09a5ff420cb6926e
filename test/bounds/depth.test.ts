import { expect, test } from 'vitest'
import { type BoundOptions, job, type WhenFull, type WorkOptions } from '../../src/index.ts'
import { testEngine, type TestWorld } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const mail = job('mail', { queue: 'mail', key: (input) => (input as { to?: string }).to }, () => 'sent')

/** A queue with this bound; nobody works unless asked to. */
function world(bound: BoundOptions | readonly BoundOptions[], work: false | WorkOptions = false): Promise<TestWorld> {
  return testEngine({ jobs: [mail], queues: { mail: { bound } }, work })
}

const states = async ({ engine }: TestWorld) =>
  (await engine.list({ name: 'mail' })).jobs.toReversed().map(({ state, reason }) => reason ?? state)

test.each<{ whenFull: WhenFull | undefined; fourth: string | undefined; after: string[] }>([
  { whenFull: undefined, fourth: 'LW_QUEUE_FULL', after: ['ready', 'ready', 'ready'] },
  { whenFull: 'reject', fourth: 'LW_QUEUE_FULL', after: ['ready', 'ready', 'ready'] },
  { whenFull: 'shed', fourth: undefined, after: ['shed: mail was full', 'ready', 'ready', 'ready'] },
  { whenFull: 'delay', fourth: undefined, after: ['ready', 'ready', 'ready', 'scheduled'] },
  { whenFull: 'coalesce', fourth: undefined, after: ['ready', 'ready', 'ready'] },
])('a full queue: $whenFull', async ({ whenFull, fourth, after }) => {
  const it = await world({ depth: 3, ...(whenFull && { whenFull }) })
  for (const to of ['ada', 'bob', 'eve']) await it.engine.enqueue(mail, { to, n: 1 })
  const more = it.engine.enqueue(mail, { to: 'bob', n: 2 })
  if (fourth === undefined) await more
  else expect(await failureOf(more)).toMatchObject({ code: fourth })
  expect(await states(it)).toEqual(after)
})

test('a refusal names the bound, and stores nothing, not even a part', async () => {
  const it = await world({ depth: 3 })
  await it.engine.enqueueMany(mail, [{}, {}])
  const failure = await failureOf(it.engine.enqueueMany(mail, [{}, {}]))
  expect(failure).toMatchObject({
    code: 'LW_QUEUE_FULL',
    details: { bound: 'mail', queue: 'mail', depth: 3, held: 2, value: null },
  })
  expect(await states(it)).toHaveLength(2)
  await it.engine.enqueue(mail, {})
})

test('one that is there already by its unique key is no new job', async () => {
  const it = await world({ depth: 1 })
  const first = await it.engine.enqueue(mail, {}, { unique: 'same' })
  const again = await it.engine.enqueue(mail, {}, { unique: 'same' })
  expect(again).toMatchObject({ id: first.id, created: false, conflict: 'ignored' })
})

test('when jobs end there is room again, and retryAfter comes from the pace at which they end', async () => {
  const it = await world({ depth: 10 })
  await it.engine.enqueueMany(
    mail,
    Array.from({ length: 10 }, () => ({})),
  )
  await it.advance('1s')
  for (const { id } of (await it.engine.list({ limit: 5 })).jobs) await it.engine.ref(id).cancel()
  await it.advance('9s') // five in ten seconds
  await it.engine.enqueueMany(
    mail,
    Array.from({ length: 5 }, () => ({})),
  )
  const failure = await failureOf(it.engine.enqueueMany(mail, [{}, {}]))
  expect(failure).toMatchObject({ details: { retryAfter: 4_000 } })
})

test('those that are put off are spread at the pace at which jobs end', async () => {
  const it = await world({ depth: 4, whenFull: 'delay' })
  await it.engine.enqueueMany(mail, [{}, {}, {}, {}])
  for (const { id } of (await it.engine.list({ limit: 2 })).jobs) await it.engine.ref(id).cancel()
  await it.advance('4s') // two in four seconds
  const refs = await it.engine.enqueueMany(mail, [{}, {}, {}, {}])
  const due = await Promise.all(refs.map(async (ref) => (await ref.status()).runAt?.getTime()))
  const now = it.clock.now()
  expect(due.map((at) => at && at - now)).toEqual([undefined, undefined, 2_000, 4_000])
  expect(await it.engine.bounds.get('mail')).toMatchObject({ accepted: 8, delayed: 2 })
})

test('shedding takes the least important first and the oldest of these; the more important stay', async () => {
  const it = await world({ depth: 3, whenFull: 'shed' })
  const low = await it.engine.enqueueMany(mail, [{}, {}], { priority: 'low' })
  await it.engine.enqueue(mail, {}, { priority: 'high' })
  await it.engine.enqueue(mail, {})
  expect(await low[0]!.status()).toMatchObject({ state: 'cancelled', reason: 'shed: mail was full' })
  expect(await failureOf(low[0]!.result())).toMatchObject({ code: 'LW_JOB_CANCELLED' })
  await it.engine.enqueue(mail, {})
  expect((await low[1]!.status()).state).toBe('cancelled')
  expect(await failureOf(it.engine.enqueue(mail, {}, { priority: 'low' }))).toMatchObject({ code: 'LW_QUEUE_FULL' })
  expect(await it.engine.bounds.list()).toMatchObject([{ name: 'mail', shed: 2, accepted: 5 }])
  const counts = (await it.engine.queues()).find(({ name }) => name === 'mail')?.counts
  expect(counts).toMatchObject({ ready: 3, cancelled: 2 })
})

test('coalescing gives the input to the job that waits, and says so; without one of its key it is refused', async () => {
  const it = await world({ depth: 1, whenFull: 'coalesce' })
  const first = await it.engine.enqueue(mail, { to: 'ada', n: 1 })
  const second = await it.engine.enqueue(mail, { to: 'ada', n: 2 })
  expect(second).toMatchObject({ id: first.id, created: false, conflict: 'replaced' })
  expect((await first.status()).input).toEqual({ to: 'ada', n: 2 })
  for (const options of [
    { key: 'bob' },
    { unique: 'mine' },
    { unique: { value: 'mine', onConflict: 'replace' } },
    { idempotencyKey: 'mine' },
  ] as const)
    expect(await failureOf(it.engine.enqueue(mail, { to: 'ada' }, options))).toMatchObject({ code: 'LW_QUEUE_FULL' })
  expect((await first.status()).input).toEqual({ to: 'ada', n: 2 })
})

test('a bound that code declares is given up with null, and taken back', async () => {
  const it = await world({ depth: 1 })
  await it.engine.bounds.set('mail', { depth: null })
  await it.engine.enqueueMany(mail, [{}, {}])
  expect(await it.engine.bounds.get('mail')).toMatchObject({ depth: undefined, changed: true })
  expect(await it.engine.bounds.reset('mail')).toMatchObject({ depth: 1, changed: false, version: 2 })
  expect(await failureOf(it.engine.enqueue(mail, {}))).toMatchObject({ code: 'LW_QUEUE_FULL' })
})

test('SQL producers and transactions are asked too', async () => {
  const it = await world({ depth: 1 })
  await it.database.query(`select legwork.enqueue('mail', '{}')`)
  await expect(it.database.query(`select legwork.enqueue('mail', '{}')`)).rejects.toMatchObject({ code: 'LW429' })
  const inside = it.engine.transaction((tx) => it.engine.enqueue(mail, {}, { tx }))
  expect(await failureOf(inside)).toMatchObject({ code: 'LW_QUEUE_FULL' })
  expect(await states(it)).toHaveLength(1)
})

test('at run time: for a queue that had none, back to none, with a history; other queues have no bound', async () => {
  const other = job('other', {}, () => 1)
  const it = await testEngine({ jobs: [mail, other], work: false })
  await it.engine.enqueueMany(mail, [{}, {}])
  await it.engine.bounds.set('mail', { depth: 2 }, { by: 'ada' })
  expect(await failureOf(it.engine.enqueue(mail, {}))).toMatchObject({ code: 'LW_QUEUE_FULL' })
  await it.engine.enqueueMany(other, [1, 2, 3])
  expect(await it.engine.bounds.set('mail', { depth: 3, whenFull: 'shed' })).toMatchObject({ depth: 3, version: 2 })
  await it.engine.enqueue(mail, {})
  await it.engine.bounds.reset('mail')
  await it.engine.enqueue(mail, {})
  expect(await states(it)).toEqual(['ready', 'ready', 'ready', 'ready'])
  const history = await it.engine.bounds.history('mail')
  expect(history.map(({ from, to }) => [from?.depth, to?.depth])).toEqual([
    [3, undefined],
    [2, 3],
    [undefined, 2],
  ])
  expect(history[2]?.by).toBe('ada')
  expect(await failureOf(it.engine.bounds.get('mall'))).toMatchObject({ code: 'LW_LIMIT_UNKNOWN' })
})

test.each<unknown>([
  {},
  { depth: 0 },
  { depth: 1.5 },
  { rate: 'many' },
  { depth: 1, whenFull: 'panic' },
  { rate: '1/1d', whenFull: 'shed' },
  { depth: 1, per: 'tenant' },
  [{ depth: 1 }, { depth: 2 }],
])('the bound %j is refused', async (bound) => {
  expect(await failureOf(world(bound as BoundOptions))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('a queue never has more than its depth, however many add to it at once, and it works on', async () => {
  const it = await world({ depth: 7 }, {})
  let most = 0
  const accepted: unknown[] = []
  const look = async () => {
    const [row] = await it.database.query(`select count(*)::int as n from legwork.job`)
    most = Math.max(most, Number(row?.['n']))
  }
  for (let round = 0; round < 5; round++) {
    const calls = Array.from({ length: 20 }, () => it.engine.enqueue(mail, {}).then((ref) => accepted.push(ref)))
    await Promise.allSettled([...calls, look(), look()])
    await it.drain()
  }
  expect(most).toBeLessThanOrEqual(7)
  expect(accepted.length).toBeGreaterThanOrEqual(35)
  const counts = (await it.engine.queues()).find(({ name }) => name === 'mail')?.counts
  expect(counts).toMatchObject({ completed: accepted.length, ready: 0 })
})

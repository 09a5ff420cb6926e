import { type } from 'arktype'
import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  type JobHistory,
  type JobRef,
  type Legwork,
  type StepRecord,
  type UndoRecord,
  batch,
  job,
} from '../../src/index.ts'
import { replayHistory } from '../../src/testing/index.ts'

declare const lw: Legwork

const input = z.object({ photo: z.string(), taken: z.coerce.date(), widths: z.array(z.number()).default([320]) })

test('the handler gets the parsed input, the caller gives what the schema takes', () => {
  const thumbnails = job('photo.thumbnails', { input }, ({ input: given, progress, signal }) => {
    expectTypeOf(given).toEqualTypeOf<{ photo: string; taken: Date; widths: number[] }>()
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    progress(50, 'half way')
    return { files: given.widths.map(String) }
  })
  void lw.enqueue(thumbnails, { photo: 'a.jpg', taken: '2026-01-01' })
  // @ts-expect-error -- no photo
  void lw.enqueue(thumbnails, { taken: '2026-01-01' })
  // @ts-expect-error -- wrong type
  void lw.enqueue(thumbnails, { photo: 7, taken: '2026-01-01' })
  // @ts-expect-error -- the input is required
  void lw.enqueue(thumbnails)
})

test('the result of a job without an output schema is what JSON makes of the return value', () => {
  const report = job('report', {}, async () => ({ at: new Date(), pages: [1], note: undefined as string | undefined }))
  expectTypeOf(lw.enqueue(report)).resolves.toEqualTypeOf<
    JobRef<{ at: string; pages: number[]; note: string | undefined }>
  >()
})

test('with an output schema the handler must fit it, and the result is parsed', () => {
  const options = { output: z.object({ at: z.coerce.date(), count: z.number() }) }
  const good = job('good', options, () => ({ at: '2026-01-01', count: 1 }))
  expectTypeOf(lw.enqueue(good)).resolves.toEqualTypeOf<JobRef<{ at: Date; count: number }>>()
  // @ts-expect-error -- count is missing
  job('bad', options, () => ({ at: '2026-01-01' }))
})

test('a group returns what its function does', () => {
  job('trip', {}, async ({ step }) => {
    expectTypeOf(await step.group('rome', async () => ({ at: new Date() }))).toEqualTypeOf<{ at: Date }>()
    expectTypeOf(await step.group(['city', 7], () => 7)).toEqualTypeOf<number>()
  })
})

test('restart takes what enqueue takes', () => {
  job('photo', { input }, async ({ input: given, restart }) => {
    if (given.widths.length === 0) return 'done'
    // @ts-expect-error -- no photo
    void restart({ taken: 'now' })
    // @ts-expect-error -- the input is required
    void restart()
    return restart({ photo: given.photo, taken: '2026-01-01' })
  })
  const endless = job('endless', {}, async ({ restart }) => (Math.random() > 1 ? 7 : restart()))
  expectTypeOf(lw.enqueue(endless)).resolves.toEqualTypeOf<JobRef<number>>()
})

test('a checkpoint is what its schema says', () => {
  job('copy', { checkpoint: z.object({ at: z.coerce.date(), row: z.number() }) }, async ({ checkpoint }) => {
    expectTypeOf(await checkpoint.last()).toEqualTypeOf<{ at: Date; row: number } | undefined>()
    await checkpoint({ at: '2026-01-01', row: 7 })
    // @ts-expect-error -- no row
    await checkpoint({ at: '2026-01-01' })
  })
  job('any', {}, async ({ checkpoint }) => {
    await checkpoint(7)
    expectTypeOf(await checkpoint.last()).toEqualTypeOf<unknown>()
  })
})

test('any Standard Schema gives the types', () => {
  const valibot = job(
    'valibot',
    { input: v.object({ n: v.pipe(v.string(), v.transform(Number)) }) },
    ({ input: given }) => {
      expectTypeOf(given).toEqualTypeOf<{ n: number }>()
      return given.n
    },
  )
  void lw.enqueue(valibot, { n: '7' })
  // @ts-expect-error -- before the transform it is text
  void lw.enqueue(valibot, { n: 7 })
  const arktype = job('arktype', { input: type({ to: 'string', 'cc?': 'string[]' }) }, ({ input: given }) => {
    expectTypeOf(given).toEqualTypeOf<{ to: string; cc?: string[] }>()
    return given.to
  })
  void lw.enqueue(arktype, { to: 'ada' })
  // @ts-expect-error -- to is text
  void lw.enqueue(arktype, { to: 1 })
})

test('a contract is given its handler later and keeps its types', () => {
  const contract = job('mail.send', { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) })
  const mail = contract.handle(({ input: given }) => ({ id: given.to }))
  expectTypeOf(lw.enqueue(mail, { to: 'ada' })).resolves.toEqualTypeOf<JobRef<{ id: string }>>()
  expectTypeOf(lw.enqueue(contract, { to: 'ada' })).resolves.toEqualTypeOf<JobRef<{ id: string }>>()
  // @ts-expect-error -- the output schema wants an id
  contract.handle(() => ({ name: 'ada' }))
  const bare = job('bare', { input: z.number() })
  const handled = bare.handle(({ input: given }) => ({ doubled: given * 2 }))
  expectTypeOf(lw.enqueue(handled, 2)).resolves.toEqualTypeOf<JobRef<{ doubled: number }>>()
})

test('without an input schema the input may be left out', () => {
  const tick = job('tick', {}, () => 'tock' as const)
  expectTypeOf(lw.enqueue(tick)).resolves.toEqualTypeOf<JobRef<'tock'>>()
  expectTypeOf(lw.enqueue(tick, { anything: true }, { delay: '5m' })).resolves.toEqualTypeOf<JobRef<'tock'>>()
  const maybe = job('maybe', { input: z.string().optional() }, ({ input: given }) => given?.length ?? 0)
  expectTypeOf(lw.enqueue(maybe)).resolves.toEqualTypeOf<JobRef<number>>()
})

test('many jobs of one definition', () => {
  const square = job('square', { input: z.number() }, ({ input: given }) => given ** 2)
  expectTypeOf(lw.enqueueMany(square, [1, 2])).resolves.toEqualTypeOf<JobRef<number>[]>()
  void lw.enqueueMany(square, [1, 2], (n, index) => ({ key: String(n), priority: index }))
  // @ts-expect-error -- not numbers
  void lw.enqueueMany(square, ['1'])
  // @ts-expect-error -- a transaction is for all
  void lw.enqueueMany(square, [1], () => ({ tx: {} }))
})

test('the key is a function of the input', () => {
  const place = job('order.place', { input: z.object({ order: z.string() }), key: ({ order }) => order })
  expectTypeOf(place.key).toEqualTypeOf<((input: { order: string }) => string | undefined) | undefined>()
  // @ts-expect-error -- no such field
  job('order.place', { input: z.object({ order: z.string() }), key: ({ id }) => id })
})

test('options are checked', () => {
  const tick = job('tick')
  const ref = lw.enqueue(tick, undefined, { delay: '5m', priority: 'high', tags: ['a'], headers: { tenant: 'x' } })
  expectTypeOf(ref).resolves.toExtend<JobRef>()
  // @ts-expect-error -- not a duration
  void lw.enqueue(tick, undefined, { delay: '5 minutes' })
  // @ts-expect-error -- not a priority
  void lw.enqueue(tick, undefined, { priority: 'highest' })
  // @ts-expect-error -- a back-off function cannot travel with a row
  void lw.enqueue(tick, undefined, { retry: { backoff: () => 1 } })
  // @ts-expect-error -- not an option
  job('tick', { retries: 5 })
})

test('a reference has the type of its definition, or an unknown result', () => {
  const square = job('square', { input: z.number() }, ({ input: given }) => given ** 2)
  expectTypeOf(lw.ref('1', square)).toEqualTypeOf<JobRef<number>>()
  expectTypeOf(lw.ref('1').result()).resolves.toBeUnknown()
  expectTypeOf(lw.enqueue('square', 3)).resolves.toEqualTypeOf<JobRef>()
})

test('hooks get the event of their name', () => {
  lw.on('completed', (event) => expectTypeOf(event.ms).toEqualTypeOf<number>())
  lw.on('dead', (event) =>
    expectTypeOf(event.reason).toEqualTypeOf<
      'attempts' | 'aborted' | 'step_failed' | 'invalid_input' | 'poisoned' | 'dependency'
    >(),
  )
  // @ts-expect-error -- no such event
  lw.on('finished', () => undefined)
})

test('tokens are for the topics of a job', () => {
  job('approval', { signals: { approved: z.object({ by: z.string() }) } }, async ({ signalToken }) => {
    expectTypeOf(signalToken('approved', { expiresIn: '2d', once: true })).resolves.toEqualTypeOf<string>()
    // @ts-expect-error -- no such topic
    await signalToken('aproved')
  })
  expectTypeOf(lw.signalToken(lw.ref('1'), 'approved')).resolves.toEqualTypeOf<string>()
  expectTypeOf(lw.signalWithToken('text', { by: 'Ada' })).resolves.toEqualTypeOf<void>()
  // @ts-expect-error -- not a duration
  void lw.signalToken('1', 'approved', { expiresIn: '2 days' })
})

test('a fork has the type of its job', () => {
  const square = job('square', { input: z.number() }, ({ input: given }) => given ** 2)
  expectTypeOf(lw.ref('1', square).fork({ from: ['item', 3] })).resolves.toEqualTypeOf<JobRef<number>>()
  expectTypeOf(lw.fork({ name: 'square' }, { from: 'last-failure' })).resolves.toEqualTypeOf<number>()
  // @ts-expect-error -- from where?
  void lw.ref('1').fork({ input: 3 })
  // @ts-expect-error -- one input for many jobs
  void lw.fork({}, { from: 'a', input: 3 })
})

test('the steps of a job, and what a person says of an undo, are typed', () => {
  const ref = lw.ref('1')
  expectTypeOf(ref.steps()).resolves.toEqualTypeOf<StepRecord[]>()
  expectTypeOf(ref.undos()).resolves.toEqualTypeOf<UndoRecord[]>()
  void ref.resolveUndo('charge card', 'skip')
  // @ts-expect-error -- not a resolution
  void ref.resolveUndo('charge card', 'ignore')
})

test('a history goes from a ref, also by way of JSON, into a replay of any definition', () => {
  const order = job('order', { input, drift: 'error' }, () => 'done')
  const ref = {} as JobRef<string>
  expectTypeOf(ref.history()).resolves.toEqualTypeOf<JobHistory>()
  expectTypeOf(replayHistory(order, JSON.parse('{}'), { use: [] })).resolves.toEqualTypeOf<void>()
  // @ts-expect-error -- steps are no history
  void replayHistory(order, [] as StepRecord[])
  // @ts-expect-error -- no such policy
  job('order', { drift: 'ignore' })
})

test('a batch handler gets the parsed inputs, and its outcomes give the type of the result', () => {
  const thumbnails = job(
    'photo.thumbnails',
    { input },
    batch({ size: 10, per: ({ photo }) => photo }, async ({ items, signal }) => {
      expectTypeOf(items[0]!.input).toEqualTypeOf<{ photo: string; taken: Date; widths: number[] }>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      // @ts-expect-error -- an item has no steps
      void items[0]?.step
      return items.map((item) => (item.attempt > 1 ? new Error('no') : { at: item.input.taken }))
    }),
  )
  expectTypeOf(lw.enqueue(thumbnails, { photo: 'a', taken: '2026-01-01' })).resolves.toEqualTypeOf<
    JobRef<{ at: string }>
  >()
})

test('with an output schema each outcome must fit it', () => {
  const contract = job('count', { input: z.string(), output: z.object({ count: z.number() }) })
  const good = contract.handle(batch({}, ({ items }) => items.map(({ input: text }) => ({ count: text.length }))))
  expectTypeOf(lw.enqueue(good, 'x')).resolves.toEqualTypeOf<JobRef<{ count: number }>>()
  // @ts-expect-error -- text is no count
  contract.handle(batch({}, ({ items }) => items.map(({ input: text }) => ({ count: text }))))
})

test('a lock gives what the work gives, and tells it its token', () => {
  expectTypeOf(lw.lock('a', ({ token }) => token)).resolves.toEqualTypeOf<bigint>()
  expectTypeOf(lw.lock('a', { timeout: '1s', lease: 5_000 }, async () => 'done')).resolves.toEqualTypeOf<string>()
  job('j', {}, ({ lock }) => lock('a', ({ signal }) => signal.aborted))
  const leader = lw.leader('a', { health: async () => true }, async ({ signal }) => signal.throwIfAborted())
  expectTypeOf(leader.leading).toEqualTypeOf<boolean>()
  // @ts-expect-error -- no work
  void lw.lock('a', { timeout: 1 })
  // @ts-expect-error -- not an option of a leader
  void lw.leader('a', { timeout: 1 }, () => undefined)
})

test('options of order: what a worker can do, what it prefers, what becomes of keys', () => {
  job('train', { needs: ['gpu'], keyFailure: 'block', limit: { running: 1, per: 'worker' } })
  void lw.work({
    labels: ['gpu'],
    aging: '5m',
    reserve: { urgent: 2 },
    queues: { a: 3, b: { concurrency: 2, weight: 3 } },
  })
  void lw.work({ queues: ['a', 'b'] })
  expectTypeOf(lw.keys.blocked('train')).resolves.items.toHaveProperty('since').toEqualTypeOf<Date>()
  expectTypeOf(lw.keys.unblock(job('a'), 'key')).resolves.toEqualTypeOf<boolean>()
  // @ts-expect-error -- no such policy
  job('a', { keyFailure: 'stop' })
  // @ts-expect-error -- needs belong to the definition
  void lw.enqueue(job('a'), undefined, { needs: ['gpu'] })
})

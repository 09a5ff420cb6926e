import { expect, test } from 'vitest'
import { z } from 'zod'
import { Abort, batch, job, RetryAfter, Snooze } from '../../src/index.ts'
import { untilAborted } from '../support/aborted.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
const input = z.number()

test('a handler gets up to so many jobs at once, and each has its own result', async () => {
  const sizes: number[] = []
  const double = job(
    'double',
    { input },
    batch({ size: 10, wait: '1s' }, ({ items }) => {
      sizes.push(items.length)
      return items.map((item) => item.input * 2)
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [double] })
  const refs = await engine.enqueueMany(double, upTo(25))
  await advance('2s')
  expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual(upTo(25).map((n) => n * 2))
  expect(sizes).toEqual([10, 10, 5])
})

test('the first waits so long for others, and no longer', async () => {
  const sizes: number[] = []
  const note = job(
    'note',
    {},
    batch({ size: 10, wait: '5s' }, ({ items }) => void sizes.push(items.length)),
  )
  const { engine, advance } = await testEngine({ jobs: [note] })
  await engine.enqueue(note, 1)
  await advance('4s')
  expect(sizes).toEqual([])
  await engine.enqueue(note, 2)
  await advance('2s')
  expect(sizes).toEqual([2])
})

test.each([
  { name: 'a value', outcome: () => 'sent', status: { state: 'completed', output: 'sent', attempt: 1 } },
  { name: 'nothing', outcome: () => undefined, status: { state: 'completed', output: undefined } },
  { name: 'an error', outcome: () => new Error('bounced'), status: { state: 'scheduled', attempt: 1 } },
  { name: 'Abort', outcome: () => new Abort('no such address'), status: { state: 'dead', reason: 'aborted' } },
  { name: 'Snooze', outcome: () => new Snooze('1h'), status: { state: 'scheduled', attempt: 0 } },
  { name: 'RetryAfter', outcome: () => new RetryAfter('1h'), status: { state: 'scheduled', attempt: 1 } },
])('an outcome of its own for each item: $name, and its neighbours are done', async ({ outcome, status }) => {
  const send = job(
    'send',
    { input },
    batch({ size: 3 }, ({ items }) => items.map((item) => (item.input === 2 ? outcome() : 'ok'))),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, upTo(3))
  await advance('200ms')
  expect(await refs[1]!.status()).toMatchObject(status)
  for (const other of [refs[0], refs[2]])
    expect(await other!.status()).toMatchObject({ state: 'completed', output: 'ok' })
})

test('one that failed comes again, in another batch, and completes by itself', async () => {
  const attempts: number[][] = []
  const send = job(
    'send',
    { input, retry: { first: '1m', jitter: 0 } },
    batch({ size: 3 }, ({ items }) => {
      attempts.push(items.map(({ attempt }) => attempt))
      return items.map((item) => (item.input === 2 && item.attempt === 1 ? new Error('later') : item.input))
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, upTo(3))
  await advance('2m')
  expect(await refs[1]!.result()).toBe(2)
  expect(attempts).toEqual([[1, 1, 1], [2]])
})

test.each([
  { name: 'throws', call: () => Promise.reject(new Error('down')), error: 'down' },
  { name: 'returns too few', call: () => ['one'], error: 'got 3 jobs and returned 1 outcomes' },
])('a call that $name fails all of them', async ({ call, error }) => {
  const send = job('send', { retry: false }, batch({ size: 3 }, call))
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, upTo(3))
  await advance('200ms')
  for (const ref of refs) {
    const status = await ref.status()
    expect(status).toMatchObject({ state: 'dead', attempt: 1 })
    expect(status.error?.message).toContain(error)
  }
})

test('only those of the same value come together; a function that throws fails its job alone', async () => {
  const batches: unknown[] = []
  const per = (text: string): string => {
    if (text === 'bad') throw new Error('no domain')
    return text.split('@')[1] ?? ''
  }
  const send = job(
    'send',
    { input: z.string(), retry: false },
    batch({ size: 10, per }, ({ items }) => void batches.push(items.map((item) => item.input))),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, ['a@x', 'b@y', 'bad', 'c@x'])
  await advance('1s')
  expect(batches).toEqual([['a@x', 'c@x'], ['b@y']])
  expect(await refs[2]!.status()).toMatchObject({ state: 'dead', error: { message: 'no domain' } })
})

test('one whose input does not fit, or that was cancelled, is left out, and the others go on', async () => {
  const got: number[] = []
  const send = job(
    'send',
    { input: z.number().max(5) },
    batch({ size: 10, wait: '1s' }, ({ items }) => {
      got.push(...items.map((item) => item.input))
    }),
  )
  const { engine, advance, database } = await testEngine({ jobs: [send] })
  const bad = await database.query<{ id: string }>(`select legwork.enqueue('send', '7')::text as id`)
  const refs = await engine.enqueueMany(send, [1, 2])
  await advance('100ms')
  await refs[0]!.cancel()
  await advance('2s')
  expect(got).toEqual([2])
  expect(await engine.ref(bad[0]!.id).status()).toMatchObject({ state: 'dead', reason: 'invalid_input' })
  expect((await refs[0]!.status()).state).toBe('cancelled')
  expect((await refs[1]!.status()).state).toBe('completed')
})

test('a batch takes one place: with a concurrency of one, whole batches run one after the other', async () => {
  let running = 0
  let most = 0
  const sizes: number[] = []
  const send = job(
    'send',
    {},
    batch({ size: 20 }, async ({ items }) => {
      most = Math.max(most, ++running)
      sizes.push(items.length)
      await new Promise((resolve) => setImmediate(resolve))
      running--
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [send], work: { concurrency: 1 } })
  await engine.enqueueMany(send, upTo(100))
  await advance('2s')
  expect(most).toBe(1)
  expect(sizes).toEqual([20, 20, 20, 20, 20])
})

test('the timeout aborts the signal of the call, and all of its jobs are tried again', async () => {
  const reasons: unknown[] = []
  const send = job(
    'send',
    { timeout: '1m', retry: { first: '1h' } },
    batch({ size: 2 }, async ({ signal }) => {
      reasons.push(await untilAborted(signal))
      throw new Error('stopped')
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, upTo(2))
  await advance('2m')
  expect(reasons).toMatchObject([{ code: 'LW_JOB_TIMEOUT' }])
  for (const ref of refs) expect(await ref.status()).toMatchObject({ state: 'scheduled', attempt: 1 })
})

test('its worker dies: all of them run again elsewhere, without having spent an attempt', async () => {
  const never = gate()
  let isFirst = true
  const send = job(
    'send',
    { input },
    batch({ size: 3 }, async ({ items }) => {
      if (isFirst) await never.opened
      return items.map((item) => item.input)
    }),
  )
  const one = await testEngine({ jobs: [send] })
  const refs = await one.engine.enqueueMany(send, upTo(3))
  await one.advance('200ms')
  isFirst = false
  const two = await crashAndReplace(one)
  await two.advance('1s')
  for (const { id } of refs) expect(await two.engine.ref(id).status()).toMatchObject({ state: 'completed', attempt: 1 })
  never.open()
})

test('at shutdown those that are being gathered go back at once', async () => {
  const send = job(
    'send',
    {},
    batch({ size: 3, wait: '1h' }, () => undefined),
  )
  const world = await testEngine({ jobs: [send] })
  const ref = await world.engine.enqueue(send)
  await world.advance('1s')
  expect((await ref.status()).state).toBe('running')
  await world.engine.close()
  const rows = await world.database.query('select state, worker_id, attempt from legwork.job')
  expect(rows).toEqual([{ state: 3, worker_id: null, attempt: 0 }])
})

test('progress, log, middleware and limits are those of each job', async () => {
  const wrapped: string[] = []
  const send = job(
    'send',
    { limit: 2 },
    batch({ size: 5 }, ({ items }) => {
      for (const item of items) {
        item.progress(50)
        item.log.info('half')
      }
    }),
  )
  const { engine, advance } = await testEngine({
    jobs: [send],
    use: [
      async ({ id }, next) => {
        wrapped.push(id)
        return next()
      },
    ],
  })
  const refs = await engine.enqueueMany(send, upTo(4))
  await advance('3s')
  for (const ref of refs) expect(await ref.status()).toMatchObject({ state: 'completed', progress: { percent: 50 } })
  expect(new Set(wrapped)).toEqual(new Set(refs.map(({ id }) => id)))
})

test.each([{ size: 0 }, { size: 1_001 }, { wait: 'soon' }, { per: 'key' }])(
  'batch options %j are refused',
  (options) => {
    expect(() => batch(options as never, () => undefined)).toThrow('LW_OPTION_INVALID')
  },
)

test('isolation is refused, also when the handler comes later', async () => {
  const handler = batch({}, () => undefined)
  const options = { isolate: 'thread', module: import.meta.url } as const
  expect(() => job('x', options, handler)).toThrow('isolate')
  expect(() => job('x', options).handle(handler)).toThrow('isolate')
})

test('who waits until all is done does not wait for others to come', async () => {
  const note = job(
    'note',
    {},
    batch({ size: 10, wait: '1h' }, ({ items }) => items.map(() => 'done')),
  )
  const { engine, drain } = await testEngine({ jobs: [note] })
  const refs = await engine.enqueueMany(note, upTo(12))
  await drain()
  expect(await refs[11]!.result()).toBe('done')
})

import { expect, test } from 'vitest'
import { Abort, type EventName, job, type Middleware, Snooze } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const everything: readonly EventName[] = [
  'enqueued',
  'started',
  'progress',
  'log',
  'completed',
  'retrying',
  'snoozed',
  'dead',
  'cancelled',
  'released',
  'step',
  'parked',
  'compensated',
  'compensation_failed',
  'lost',
  'rescued',
  'error',
]

test('hooks hear the life of a job, in order', async () => {
  const moody = job(
    'moody',
    { retry: { attempts: 2, backoff: 'fixed', first: '1m' } },
    ({ attempt, progress, log }) => {
      progress(50)
      log.warn('hm', { n: 1 })
      if (attempt === 1) throw new Error('first')
      return 'fine'
    },
  )
  const { engine, advance } = await testEngine({ jobs: [moody] })
  const heard: [string, unknown][] = []
  for (const name of everything) engine.on(name, (event) => heard.push([name, event]))
  const { id } = await engine.enqueue(moody)
  await advance('2m')
  const who = { id, name: 'moody', queue: 'default' }
  expect(heard).toEqual([
    ['enqueued', { jobs: [who] }],
    ['started', { ...who, attempt: 1 }],
    ['progress', { ...who, value: { percent: 50 } }],
    ['log', { ...who, level: 'warn', message: 'hm', data: { n: 1 } }],
    ['retrying', { ...who, attempt: 1, delay: 60_000, error: expect.objectContaining({ message: 'first' }) }],
    ['started', { ...who, attempt: 2 }],
    ['progress', { ...who, value: { percent: 50 } }],
    ['log', { ...who, level: 'warn', message: 'hm', data: { n: 1 } }],
    ['completed', { ...who, attempt: 2, ms: expect.any(Number) }],
  ])
})

test('hooks hear other ends', async () => {
  const end = job('end', {}, ({ input }) => {
    throw input === 'abort' ? new Abort('no') : new Snooze('1h', 'later')
  })
  const { engine, drain } = await testEngine({ jobs: [end] })
  const heard: unknown[] = []
  engine.on('dead', ({ reason, error }) => heard.push([reason, error.message]))
  engine.on('snoozed', ({ delay, reason }) => heard.push([delay, reason]))
  await engine.enqueue(end, 'abort')
  await drain()
  await engine.enqueue(end, 'snooze')
  await drain()
  expect(heard).toEqual([
    ['aborted', 'no'],
    [3_600_000, 'later'],
  ])
})

test('a hook that throws is reported and disturbs nobody', async () => {
  const plain = job('plain', {}, () => 'done')
  const { engine } = await testEngine({ jobs: [plain] })
  const heard: string[] = []
  engine.on('started', () => {
    throw new Error('my hook')
  })
  engine.on('started', () => heard.push('second hook'))
  engine.on('error', ({ during, error }) => {
    heard.push(`${during}: ${String(error)}`)
    throw new Error('and again')
  })
  expect(await (await engine.enqueue(plain)).result()).toBe('done')
  expect(heard).toEqual(['a listener of "started": Error: my hook', 'second hook'])
})

test('a hook can be taken away', async () => {
  const plain = job('plain')
  const { engine } = await testEngine({ jobs: [plain], work: false })
  let heard = 0
  const stop = engine.on('enqueued', () => heard++)
  await engine.enqueue(plain)
  stop()
  await engine.enqueue(plain)
  expect(heard).toBe(1)
})

test('middleware wraps every handler, the first outermost', async () => {
  const order: string[] = []
  const layer =
    (name: string): Middleware =>
    async (context, next) => {
      order.push(`${name} before ${context.name}`)
      const result = await next()
      order.push(`${name} after ${String(result)}`)
      return `${name}(${String(result)})`
    }
  const plain = job('plain', {}, () => {
    order.push('handler')
    return 'done'
  })
  const { engine } = await testEngine({ jobs: [plain], use: [layer('outer'), layer('inner')] })
  expect(await (await engine.enqueue(plain)).result()).toBe('outer(inner(done))')
  expect(order).toEqual([
    'outer before plain',
    'inner before plain',
    'handler',
    'inner after done',
    'outer after inner(done)',
  ])
})

test('middleware may fail the attempt, see its error, or answer instead of the handler', async () => {
  let ran = 0
  const plain = job('plain', { retry: false }, ({ input }) => {
    ran++
    if (input === 'throws') throw new RangeError('from the handler')
    return 'handler'
  })
  const seen: unknown[] = []
  const guard: Middleware = async ({ input }, next) => {
    if (input === 'refused') throw new Abort('not allowed')
    if (input === 'cached') return 'from the cache'
    try {
      return await next()
    } catch (error) {
      seen.push(error)
      throw error
    }
  }
  const { engine, drain } = await testEngine({ jobs: [plain], use: [guard] })
  const refs = await engine.enqueueMany(plain, ['refused', 'cached', 'throws', 'plain'])
  await drain()
  const found = await Promise.all(refs.map((ref) => ref.status()))
  expect(found.map(({ state, output, reason }) => output ?? reason ?? state)).toEqual([
    'aborted',
    'from the cache',
    'attempts',
    'handler',
  ])
  expect(seen).toEqual([new RangeError('from the handler')])
  expect(ran).toBe(2)
})

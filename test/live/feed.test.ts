import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type JobEvent, type JobRef, job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

async function all(ref: JobRef, after?: string): Promise<JobEvent[]> {
  const events: JobEvent[] = []
  for await (const event of ref.events(after === undefined ? {} : { after })) events.push(event)
  return events
}

function short(event: JobEvent): string {
  switch (event.type) {
    case 'started':
      return `started ${event.attempt}`
    case 'progress':
      return `progress ${JSON.stringify(event.value)}`
    case 'log':
      return `${event.level} ${event.message}`
    case 'attempt':
      return `${event.outcome} ${event.attempt}`
    case 'ended':
      return event.state
    case 'step':
    case 'undo':
      return `${event.type} ${event.step} ${event.state} ${event.failures}`
    case 'enqueued':
      return 'enqueued'
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const eventful = job(
  'eventful',
  { retry: { attempts: 3, backoff: 'fixed', first: '10s' } },
  async ({ attempt, log, progress }) => {
    log.info(`attempt ${attempt}`, { n: attempt })
    progress(attempt * 10, 'on the way')
    await turn()
    log.warn('odd')
    if (attempt < 3) throw new Error('again')
    return 'done'
  },
)

const story = [
  'enqueued',
  'started 1',
  'info attempt 1',
  'progress {"message":"on the way","percent":10}',
  'warn odd',
  'retry 1',
  'started 2',
  'info attempt 2',
  'progress {"message":"on the way","percent":20}',
  'warn odd',
  'retry 2',
  'started 3',
  'info attempt 3',
  'progress {"message":"on the way","percent":30}',
  'warn odd',
  'completed',
]

function sorted(event: JobEvent): string {
  if (event.type !== 'progress') return short(event)
  const value = event.value as Record<string, unknown>
  return `progress ${JSON.stringify(Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))))}`
}

test('the whole story, in order, after the fact', async () => {
  const { engine, advance } = await testEngine({ jobs: [eventful] })
  const ref = await engine.enqueue(eventful)
  await advance('1m')
  const events = await all(ref)
  expect(events.map(sorted)).toEqual(story)
  expect(events[2]).toMatchObject({ level: 'info', data: { n: 1 }, at: expect.any(Date) })
  expect(events[5]).toMatchObject({ delay: 10_000, error: { message: 'again' } })
})

test('who follows from the beginning hears the same', async () => {
  const { engine, advance } = await testEngine({ jobs: [eventful], work: false })
  const ref = await engine.enqueue(eventful)
  const heard = all(ref)
  await engine.work({ stopOnSignal: false })
  await advance('1m')
  expect((await heard).map(sorted)).toEqual(story)
})

test('going on after any event gives exactly the rest', async () => {
  const { engine, advance } = await testEngine({ jobs: [eventful] })
  const ref = await engine.enqueue(eventful)
  await advance('1m')
  const events = await all(ref)
  expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: events.length - 2 }), async (place) => {
      expect(await all(ref, events[place]?.cursor)).toEqual(events.slice(place + 1))
    }),
    { numRuns: 40 },
  )
})

test('a follower hears of a job that is still running, and stops when its signal aborts', async () => {
  const door = gate()
  const slow = job('slow', {}, async ({ progress }) => {
    progress('begun')
    await door.opened
  })
  const { engine } = await testEngine({ jobs: [slow] })
  const ref = await engine.enqueue(slow)
  const stop = new AbortController()
  const heard: string[] = []
  for await (const event of ref.events({ signal: stop.signal })) {
    heard.push(short(event))
    if (event.type === 'progress') stop.abort()
  }
  expect(heard).toEqual(['enqueued', 'started 1', 'progress "begun"'])
  door.open()
})

test('progress that comes faster than it can be written is joined, the latest wins', async () => {
  const busy = job('busy', {}, async ({ progress, log }) => {
    for (let n = 0; n <= 100; n++) progress(n)
    log.info('half time')
    for (let n = 0; n <= 50; n++) progress({ file: n })
    await turn()
  })
  const { engine } = await testEngine({ jobs: [busy] })
  const ref = await engine.enqueue(busy)
  await ref.result()
  const events = (await all(ref)).map(short)
  expect(events).toEqual([
    'enqueued',
    'started 1',
    'progress {"percent":100}',
    'info half time',
    'progress {"file":50}',
    'completed',
  ])
  expect((await ref.status()).progress).toEqual({ file: 50 })
})

test('more lines than a page arrive in order', async () => {
  const chatty = job('chatty', {}, async ({ log }) => {
    for (let n = 0; n < 1_700; n++) log.debug(String(n))
    await turn()
  })
  const { engine, drain } = await testEngine({ jobs: [chatty] })
  const ref = await engine.enqueue(chatty)
  await drain()
  const lines = (await all(ref)).flatMap((event) => (event.type === 'log' ? [Number(event.message)] : []))
  expect(lines).toEqual(Array.from({ length: 1_700 }, (_, n) => n))
})

test('a redriven job goes on with its story', async () => {
  let broken = true
  const fragile = job('fragile', { retry: false }, () => {
    if (broken) throw new Error('broken')
  })
  const { engine, drain } = await testEngine({ jobs: [fragile] })
  const ref = await engine.enqueue(fragile)
  await drain()
  const before = await all(ref)
  expect(before.map(short)).toEqual(['enqueued', 'started 1', 'dead'])
  broken = false
  await ref.retry()
  await drain()
  expect((await all(ref)).map(short)).toEqual(['enqueued', 'started 1', 'dead 1', 'started 1', 'completed'])
  expect((await all(ref, before.at(-1)?.cursor)).map(short)).toEqual(['started 1', 'completed'])
})

test('a cancelled job that never ran has a short story', async () => {
  const plain = job('plain')
  const { engine } = await testEngine({ jobs: [plain], work: false })
  const ref = await engine.enqueue(plain)
  await ref.cancel('no')
  expect((await all(ref)).map(short)).toEqual(['enqueued', 'cancelled'])
})

test('a cursor that is none and a job that never was are refused', async () => {
  const { engine } = await testEngine({ jobs: [], work: false })
  expect(await failureOf(all(engine.ref('256'), 'x'))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(all(engine.ref('256')))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

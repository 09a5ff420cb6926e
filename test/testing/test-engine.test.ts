import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing/index.ts'
import { gate, optionOf, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'
import { freshDatabase } from '../support/database.ts'

const start = new Date('2026-02-03T04:05:06Z')

test('time stands still until it is told to advance', async () => {
  const stamp = job('stamp', {}, ({ enqueuedAt }) => enqueuedAt)
  const { engine, clock, advance, drain } = await testEngine({ jobs: [stamp], start })
  const first = await engine.enqueue(stamp)
  await drain()
  expect(await first.result()).toBe('2026-02-03T04:05:06.000Z')
  expect(clock.now()).toBe(start.getTime())
  await advance('1h')
  expect(await (await engine.enqueue(stamp)).result()).toBe('2026-02-03T05:05:06.000Z')
})

test('a delayed job runs at its own time, not at the end of the advance', async () => {
  const stamp = job('stamp', {}, () => clock.now() - start.getTime())
  const { engine, clock, advance } = await testEngine({ jobs: [stamp], start })
  const delays = [90_000, 30_000, 60_000]
  const refs = await Promise.all(delays.map((delay) => engine.enqueue(stamp, undefined, { delay })))
  await advance('80s')
  expect((await Promise.all(refs.map((ref) => ref.status()))).map(({ state }) => state)).toEqual([
    'scheduled',
    'completed',
    'completed',
  ])
  await advance('10s')
  expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual([90_000, 30_000, 60_000])
})

test('a chain of delayed jobs runs to its end in one advance', async () => {
  const times: number[] = []
  const next = job('next', {}, async () => {
    times.push(clock.now() - start.getTime())
    if (times.length < 5) await engine.enqueue(next, undefined, { delay: '1d' })
  })
  const { engine, clock, advance } = await testEngine({ jobs: [next], start })
  await engine.enqueue(next)
  await advance('30d')
  expect(times).toEqual([0, 1, 2, 3, 4].map((days) => days * 86_400_000))
})

test('a handler that waits for the test does not stop time', async () => {
  const door = gate()
  const patient = job('patient', {}, () => door.opened)
  const other = job('other')
  const { engine, clock, advance } = await testEngine({ jobs: [patient, other.handle(() => clock.now())], start })
  const ref = await engine.enqueue(patient)
  const delayed = await engine.enqueue(other, undefined, { delay: '1m' })
  await advance('2m')
  expect((await ref.status()).state).toBe('running')
  expect(await delayed.result()).toBe(start.getTime() + 60_000)
  door.open()
  await ref.result()
})

test('after a crash another process does the work', async () => {
  const runs: string[] = []
  const forever = gate<string>()
  const slow = job('slow', {}, ({ attempt }) => {
    runs.push(`attempt ${attempt}`)
    return runs.length === 1 ? forever.opened : 'done'
  })
  const one = await testEngine({ jobs: [slow] })
  const { id } = await one.engine.enqueue(slow)
  await one.advance('1s')
  await one.crash()
  const two = await one.another()
  forever.open('too late')
  await two.advance('15s')
  const found = await two.engine.ref(id).status()
  expect(found).toMatchObject({ state: 'completed', output: 'done', attempt: 1, crashes: 1 })
  expect(runs).toEqual(['attempt 1', 'attempt 1'])
})

test('the real time comes back when the test engine is closed', async () => {
  const database = await freshDatabase()
  const { close } = await createTestEngine({ jobs: [], database: optionOf(database), start })
  const now = 'select legwork.now() as now'
  expect(await database.query(now)).toEqual([{ now: start }])
  await close()
  const [row] = await database.query<{ now: Date }>(now)
  expect(row?.now.getTime()).toBeGreaterThan(start.getTime())
})

test('a folder is refused', async () => {
  expect(await failureOf(createTestEngine({ jobs: [], database: '.legwork/test' }))).toMatchObject({
    code: 'LW_OPTION_INVALID',
    message: expect.stringContaining('database must be a postgres:// URL or an open PGlite; received ".legwork/test"'),
  })
})

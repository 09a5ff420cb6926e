import { expect, test } from 'vitest'
import { z } from 'zod'
import { Abort, job } from '../../src/index.ts'
import { crashAndReplace, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const input = z.object({ run: z.number() })

test('100 restarts: the same job, and no more remembered after the last than after the first', async () => {
  const keys = new Set<string>()
  const remembered = new Set<number>()
  const endless = job('endless', { input, key: () => 'one' }, async ({ id, input: { run }, step, restart, uuid }) => {
    const rows = await database.query<{ n: number }>(
      `select (select count(*) from legwork.step where job_id = ${id})::int
            + (select count(*) from legwork.attempt where job_id = ${id})::int as n`,
    )
    remembered.add(rows[0]!.n)
    await uuid()
    await step(['poll', 'a'], ({ idempotencyKey }) => void keys.add(idempotencyKey), { undo: () => undefined })
    if (run < 100) return restart({ run: run + 1 })
    return `after ${run}`
  })
  const { engine, database, advance } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, { run: 0 })
  const next = await engine.enqueue(endless, { run: 100 })
  let restarts = 0
  engine.on('restarted', (event) => (restarts = event.restarts))
  await advance('10s')
  expect(await ref.result()).toBe('after 100')
  expect(restarts).toBe(100)
  expect([...remembered]).toEqual([0])
  expect(keys.size).toBe(102) // each run is another one for the services it calls
  expect((await ref.status()).attempt).toBe(1)
  expect(await next.result()).toBe('after 100') // it waited for its turn: the key was kept
}, 60_000)

test('signals that were not taken are for the next run', async () => {
  const heard: unknown[] = []
  const endless = job('endless', { input }, async ({ input: { run }, waitFor, restart }) => {
    heard.push(await waitFor('tick'))
    if (run < 3) return restart({ run: run + 1 })
    return 'done'
  })
  const { engine, database, advance } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, { run: 1 })
  for (const tick of ['a', 'b', 'c', 'd']) await ref.signal('tick', tick)
  await advance('5s')
  expect(await ref.result()).toBe('done')
  expect(heard).toEqual(['a', 'b', 'c'])
  const left = await database.query<{ data: string }>('select data::text as data from legwork.signal order by id')
  expect(left.map(({ data }) => data)).toEqual(['"c"', '"d"'])
})

test('what a run that has ended did is not undone when a later one fails', async () => {
  const log: string[] = []
  const endless = job('endless', { input }, async ({ input: { run }, step, restart }) => {
    await step('book', () => undefined, { undo: () => void log.push(`undo ${run}`) })
    if (run < 3) return restart({ run: run + 1 })
    throw new Abort('enough')
  })
  const { engine, advance } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, { run: 1 })
  await advance('5s')
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['undo 3'])
})

test('attempts are counted anew, and a crash after a restart goes on with its input', async () => {
  const runs: string[] = []
  const endless = job(
    'endless',
    { input, retry: { attempts: 2, backoff: 'fixed', first: '1m' } },
    async ({ input: { run }, attempt, restart, sleep }) => {
      runs.push(`${run}.${attempt}`)
      if (attempt === 1 && run < 3) throw new Error('blip')
      if (run < 3) return restart({ run: run + 1 })
      await sleep('1h')
      return run
    },
  )
  const one = await testEngine({ jobs: [endless] })
  const { id } = await one.engine.enqueue(endless, { run: 1 })
  for (let minute = 0; minute < 3; minute++) await one.advance('61s')
  const two = await crashAndReplace(one)
  await two.advance('2h')
  expect(await two.engine.ref(id).result()).toBe(3)
  expect(runs).toEqual(['1.1', '1.2', '2.1', '2.2', '3.1', '3.1'])
})

test('an input that does not fit is refused, and the run goes on', async () => {
  const errors: unknown[] = []
  const endless = job('endless', { input }, async ({ restart }) => {
    errors.push(await failureOf(restart(JSON.parse('{"run":"one"}') as { run: number })))
    return 'went on'
  })
  const { engine, drain } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, { run: 1 })
  await drain()
  expect(await ref.result()).toBe('went on')
  expect(errors).toMatchObject([{ code: 'LW_INPUT_INVALID' }])
})

test('without an input the next run has none', async () => {
  const inputs: unknown[] = []
  const endless = job('endless', {}, ({ input: given, restart }) => {
    inputs.push(given)
    return inputs.length === 1 ? restart(null) : inputs.length === 2 ? restart() : 'done'
  })
  const { engine, drain } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, 7)
  await drain()
  expect(await ref.result()).toBe('done')
  expect(inputs).toEqual([7, null, undefined])
})

test('a cancel that comes while it restarts undoes this run', async () => {
  const log: string[] = []
  const endless = job('endless', { input }, async ({ input: { run }, step, restart }) => {
    await step('a', () => undefined, { undo: () => void log.push(`undo ${run}`) })
    await step('b', () => database.query(`update legwork.job set cancel_at = legwork.now(), cancel_reason = 'late'`))
    return restart({ run: run + 1 })
  })
  const { engine, database, advance } = await testEngine({ jobs: [endless] })
  const ref = await engine.enqueue(endless, { run: 1 })
  await advance('10s')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'late' })
  expect(log).toEqual(['undo 1'])
})

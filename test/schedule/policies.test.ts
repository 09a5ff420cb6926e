import { describe, expect, test } from 'vitest'
import { job, type Overlap, schedule } from '../../src/index.ts'
import { type Gate, gate, testEngine } from '../support/engine.ts'

const start = new Date('2026-06-01T00:30:00Z')

/** A job that runs until it is let go or aborted, and tells how each run went. */
function slowJob() {
  const log: string[] = []
  const gates: Gate[] = []
  const definition = job('slow', { retry: false }, async ({ schedule: facts, signal }) => {
    const name = facts?.nominal.toISOString().slice(11, 13) ?? 'x'
    const own = gate()
    gates.push(own)
    log.push(`${name} begins`)
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )
    try {
      await Promise.race([own.opened, aborted])
      log.push(`${name} ends`)
    } catch (error) {
      log.push(`${name} aborted`)
      throw error
    }
  })
  return { definition, log, next: () => gates.shift()?.open(undefined) }
}

describe('an instant that comes while the run before it goes on', () => {
  const table: { overlap: Overlap; log: string[]; skipped: number }[] = [
    { overlap: 'skip', log: ['01 begins', '01 ends', '05 begins'], skipped: 3 },
    { overlap: 'bufferOne', log: ['01 begins', '01 ends', '02 begins', '02 ends', '05 begins'], skipped: 2 },
    { overlap: 'bufferAll', log: ['01 begins', '01 ends', '02 begins', '02 ends', '03 begins'], skipped: 0 },
    {
      overlap: 'cancelRunning',
      log: ['01 begins', '01 aborted', '02 begins', '02 aborted', '03 begins', '03 aborted', '04 begins'],
      skipped: 0,
    },
    {
      overlap: 'allow',
      log: ['01 begins', '02 begins', '03 begins', '04 begins', '01 ends', '02 ends', '05 begins'],
      skipped: 0,
    },
  ]
  test.each(table)('$overlap', { timeout: 60_000 }, async ({ overlap, log, skipped }) => {
    const slow = slowJob()
    const hourly = schedule('hourly', { cron: '0 * * * *', job: slow.definition, overlap })
    const { engine, advance } = await testEngine({ jobs: [slow.definition], schedules: [hourly], start, patience: 10 })
    for (let hour = 0; hour < 4; hour++) await advance('1h')
    if (overlap !== 'cancelRunning') {
      for (const _ of [1, 2]) {
        slow.next()
        await advance('1s')
      }
      await advance('1h')
    }
    expect(slow.log.slice(0, log.length)).toEqual(log)
    expect((await engine.schedules.get('hourly')).skipped).toBe(skipped)
  })

  test('terminateRunning ends the run in the database at once and runs the new one', async () => {
    const slow = slowJob()
    const hourly = schedule('hourly', { cron: '0 * * * *', job: slow.definition, overlap: 'terminateRunning' })
    const { engine, advance } = await testEngine({ jobs: [slow.definition], schedules: [hourly], start })
    await advance('1h')
    await advance('1h')
    const [second, first] = await engine.schedules.history('hourly')
    expect(await engine.ref(first?.job ?? '').status()).toMatchObject({
      state: 'cancelled',
      reason: 'schedule hourly has fired again',
    })
    expect((await engine.ref(second?.job ?? '').status()).state).toBe('running')
    expect(slow.log).toContain('01 aborted')
  })
})

test('a run in its back-off is unfinished', async () => {
  const failing = job('failing', { retry: { attempts: 2, backoff: 'fixed', first: '90m' } }, () => {
    throw new Error('not today')
  })
  const hourly = schedule('hourly', { cron: '0 * * * *', job: failing })
  const { engine, advance } = await testEngine({ jobs: [failing], schedules: [hourly], start })
  await advance('2h')
  expect(await engine.schedules.get('hourly')).toMatchObject({ runs: 1, skipped: 1 })
})

test('overlapScope key looks at all jobs of the name with this key', async () => {
  const slow = slowJob()
  const options = { cron: '0 * * * *', job: slow.definition, key: 'ada', overlapScope: 'key' } as const
  const { engine, advance } = await testEngine({
    jobs: [slow.definition],
    schedules: [schedule('hourly', options)],
    start,
  })
  await engine.enqueue(slow.definition, undefined, { key: 'ada' })
  await advance('1h')
  expect(await engine.schedules.get('hourly')).toMatchObject({ runs: 0, skipped: 1 })
  slow.next()
  await advance('1h')
  expect(await engine.schedules.get('hourly')).toMatchObject({ runs: 1, skipped: 1 })
})

test('catchUp all runs what was missed one after the other', async () => {
  const slow = slowJob()
  const hourly = schedule('hourly', { cron: '0 * * * *', job: slow.definition, catchUp: 'all' })
  const world = await testEngine({ jobs: [slow.definition], schedules: [hourly], start })
  await world.crash()
  await world.advance('3h')
  const { engine, advance } = await world.another()
  await advance('1s')
  expect(slow.log).toEqual(['01 begins'])
  for (const _ of [1, 2, 3]) {
    slow.next()
    await advance('1s')
  }
  expect(slow.log).toEqual(['01 begins', '01 ends', '02 begins', '02 ends', '03 begins', '03 ends'])
  expect((await engine.schedules.history('hourly')).map(({ kind }) => kind)).toEqual(['catchUp', 'catchUp', 'catchUp'])
})

test('a fixed delay counts from the end of the run', async () => {
  const slow = slowJob()
  const often = schedule('often', { every: '10m', anchor: 'lastCompletion', job: slow.definition })
  const { engine, advance } = await testEngine({ jobs: [slow.definition], schedules: [often], start })
  await advance('10m')
  expect(slow.log).toHaveLength(1)
  await advance('25m')
  slow.next()
  await advance('9m')
  expect(slow.log).toHaveLength(2)
  await advance('2m')
  expect(slow.log).toHaveLength(3)
  expect((await engine.schedules.history('often')).map(({ nominal }) => nominal.toISOString().slice(11, 16))).toEqual([
    '01:15',
    '00:40',
  ])
})

test('a job that has not started by its deadline is dropped, and says why', async () => {
  const slow = slowJob()
  const hourly = schedule('hourly', { cron: '0 * * * *', job: slow.definition, startDeadline: '20m', overlap: 'allow' })
  const work = { concurrency: 1 }
  const { engine, advance } = await testEngine({ jobs: [slow.definition], schedules: [hourly], start, work })
  await advance('30m')
  await advance('90m')
  slow.next()
  await advance('1m')
  const [second, first] = await engine.schedules.history('hourly')
  expect((await engine.ref(first?.job ?? '').status()).state).toBe('completed')
  expect(await engine.ref(second?.job ?? '').status()).toMatchObject({
    state: 'cancelled',
    reason: 'expired',
    error: { message: 'It had not started by 2026-06-01T02:20:00.000Z.' },
  })
  expect(slow.log).toEqual(['01 begins', '01 ends'])
})

test('it ends after maxRuns', async () => {
  const quick = job('quick', {}, () => undefined)
  const thrice = schedule('thrice', { cron: '0 * * * *', job: quick, maxRuns: 3 })
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [thrice], start })
  await advance('10h')
  expect(await engine.schedules.get('thrice')).toMatchObject({ runs: 3, state: 'ended', next: undefined })
})

test('it is paused after so many failures in a row, and goes on when it is resumed', async () => {
  let isBroken = true
  const failing = job('failing', { retry: false }, () => {
    if (isBroken) throw new Error('not today')
  })
  const hourly = schedule('hourly', { cron: '0 * * * *', job: failing, pauseAfterFailures: 2 })
  const { engine, advance } = await testEngine({ jobs: [failing], schedules: [hourly], start })
  const heard: unknown[] = []
  engine.on('schedule_paused', (event) => heard.push(event))
  await advance('6h')
  expect(await engine.schedules.get('hourly')).toMatchObject({
    runs: 2,
    state: 'paused',
    pause: { reason: '2 runs in a row have failed', by: 'legwork' },
  })
  expect(heard).toEqual([{ schedule: 'hourly', reason: '2 runs in a row have failed', by: 'legwork' }])
  isBroken = false
  await engine.schedules.resume('hourly')
  await advance('3h')
  expect(await engine.schedules.get('hourly')).toMatchObject({ runs: 5, state: 'active' })
})

test('a schedule that cannot be fired stops no other, is tried again, and is paused in the end', async () => {
  const quick = job('quick', {}, () => undefined)
  const bad = schedule('bad', {
    cron: '0 * * * *',
    job: quick,
    input: () => {
      throw new Error('no input today')
    },
  })
  const good = schedule('good', { cron: '0 * * * *', job: quick })
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [bad, good], start })
  const errors: unknown[] = []
  engine.on('error', (event) => errors.push(event))
  await advance('1h')
  expect(errors).toMatchObject(Array.from({ length: 5 }, () => ({ during: 'firing schedule bad' })))
  expect(await engine.schedules.get('good')).toMatchObject({ runs: 1 })
  expect(await engine.schedules.get('bad')).toMatchObject({
    runs: 0,
    state: 'paused',
    pause: { reason: 'no input today' },
  })
})

test('a row that the database refuses stops no other schedule', async () => {
  const quick = job('quick', {}, () => undefined)
  const schedules = ['a', 'b', 'c'].map((id) => schedule(id, { cron: '0 * * * *', job: quick }))
  const { engine, advance } = await testEngine({ jobs: [quick], schedules, start })
  await engine.transaction((tx) =>
    tx.query(`update legwork.schedule set job = job || '{"priority": 99999}' where id = 'b'`, []),
  )
  await advance('1h')
  expect((await engine.schedules.list()).map(({ id, runs, state }) => ({ id, runs, state }))).toEqual([
    { id: 'a', runs: 1, state: 'active' },
    { id: 'b', runs: 0, state: 'paused' },
    { id: 'c', runs: 1, state: 'active' },
  ])
})

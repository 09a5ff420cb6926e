import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, LegworkError, schedule } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const start = new Date('2026-06-01T00:30:00Z')
const at = (hour: number): Date => new Date(Date.UTC(2026, 5, 1, hour))
const quick = job('quick', {}, ({ schedule: facts }) => facts?.nominal.toISOString())
const hourly = schedule('hourly', { cron: '0 * * * *', job: quick })

test('next and preview tell the instants to come', async () => {
  const { engine } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  expect(await engine.schedules.next('hourly', 3)).toEqual([at(1), at(2), at(3)])
  expect(engine.schedules.preview({ cron: '0 2 * * *', timezone: 'Europe/Berlin' }, 2)).toEqual([at(24), at(48)])
})

test('run now is a run beside those of the rule', async () => {
  const { engine, drain, advance } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  const ref = await engine.schedules.run('hourly')
  await drain()
  expect(await ref.result()).toBe(start.toISOString())
  await advance('1h')
  expect(await engine.schedules.history('hourly')).toMatchObject([
    { nominal: at(1), kind: 'scheduled' },
    { nominal: start, kind: 'manual', job: ref.id },
  ])
})

test('run at an instant fires it once, whoever asks and how often', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  const first = await engine.schedules.run('hourly', { at: at(1) })
  const second = await engine.schedules.run('hourly', { at: at(1) })
  expect([first.created, second.created, second.id]).toEqual([true, false, first.id])
  await advance('90m')
  expect((await engine.schedules.history('hourly')).map(({ nominal }) => nominal)).toEqual([at(2), at(1)])
  expect((await engine.schedules.run('hourly', { at: at(2) })).created).toBe(false)
})

test('a backfill runs what has not fired, in order and one after the other', async () => {
  const seen: string[] = []
  const slow = job('slow', {}, ({ schedule: facts }) => {
    seen.push(`${facts?.nominal.getUTCHours()}${facts?.isBackfill ? ' backfilled' : ''}`)
  })
  const rule = schedule('hourly', { cron: '0 * * * *', job: slow })
  const { engine, advance, drain } = await testEngine({ jobs: [slow], schedules: [rule], start })
  await advance('2h')
  const refs = await engine.schedules.backfill('hourly', { from: at(0), to: at(4) })
  await drain()
  expect(refs).toHaveLength(3)
  expect(seen).toEqual(['1', '2', '0 backfilled', '3 backfilled', '4 backfilled'])
  await advance('4h')
  expect(seen.slice(5)).toEqual(['5', '6'])
  await engine.schedules.backfill('hourly', { from: at(1), to: at(2), again: true, order: 'newest', concurrency: 2 })
  await drain()
  expect(seen.slice(7).toSorted()).toEqual(['1 backfilled', '2 backfilled'])
})

test('skipNext leaves out one instant', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  expect(await engine.schedules.skipNext('hourly')).toEqual(at(1))
  expect(await engine.schedules.next('hourly', 1)).toEqual([at(2)])
  await advance('2h')
  expect(await engine.schedules.history('hourly')).toMatchObject([
    { nominal: at(2), outcome: 'fired' },
    { nominal: at(1), outcome: 'skipped', reason: 'skipped by request' },
  ])
})

test('pause says why, by whom and until when; what comes meanwhile is not missed', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await engine.schedules.pause('hourly', { reason: 'migration', by: 'ada', until: at(5) })
  await advance('3h')
  expect(await engine.schedules.get('hourly')).toMatchObject({
    state: 'paused',
    pause: { reason: 'migration', by: 'ada', until: at(5) },
    runs: 0,
    next: undefined,
  })
  await advance('2h')
  expect(await engine.schedules.get('hourly')).toMatchObject({
    state: 'active',
    runs: 1,
    missed: 0,
    previous: at(5),
    next: at(6),
  })
  await engine.schedules.pause('hourly')
  await advance('10h')
  await engine.schedules.resume('hourly')
  expect(await engine.schedules.next('hourly', 1)).toEqual([at(16)])
  expect((await engine.schedules.get('hourly')).missed).toBe(0)
})

test('every pause is kept with who made it and why, also one that the engine ends', async () => {
  const { engine, advance, database } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await engine.schedules.pause('hourly', { reason: 'migration', by: 'ada', until: at(5) })
  await engine.schedules.pause('hourly', { reason: 'migration', by: 'bob', until: at(5) })
  await advance('5h')
  await engine.schedules.pause('hourly')
  await engine.schedules.resume('hourly', { by: 'eve' })
  await engine.schedules.resume('hourly', { by: 'eve' })
  const [{ role } = {}] = await database.query<{ role: string }>('select current_user as role')
  expect(await engine.schedules.pauseHistory('hourly')).toMatchObject([
    { version: 4, by: 'eve', from: { paused: true }, to: { paused: false } },
    { version: 3, by: role, to: { paused: true, reason: 'paused by request' } },
    { version: 2, by: 'legwork', from: { paused: true, until: at(5) }, to: { paused: false } },
    { version: 1, by: 'ada', from: { paused: false }, to: { paused: true, reason: 'migration', until: at(5) } },
  ])
  expect(await failureOf(engine.schedules.pauseHistory('hurly'))).toMatchObject({ code: 'LW_SCHEDULE_UNKNOWN' })
})

test('put makes a schedule by API and remove takes it away; those in the code are changed in the code', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await engine.schedules.put(schedule('nightly', { cron: '0 2 * * *', job: quick }))
  await engine.schedules.put(schedule('nightly', { cron: '0 3 * * *', job: quick }))
  expect(await engine.schedules.list()).toMatchObject([
    { id: 'hourly', origin: 'code' },
    { id: 'nightly', origin: 'api', next: at(3) },
  ])
  await advance('3h')
  expect((await engine.schedules.get('nightly')).runs).toBe(1)
  expect(await failureOf(engine.schedules.put(hourly))).toMatchObject({ code: 'LW_SCHEDULE_TAKEN' })
  await engine.schedules.remove('nightly')
  expect(await failureOf(engine.schedules.get('nightly'))).toMatchObject({ code: 'LW_SCHEDULE_UNKNOWN' })
  expect((await failureOf(engine.schedules.run('hurly')))?.message).toContain('Did you mean "hourly"?')
})

test('a changed definition counts anew from now; the same one changes nothing', async () => {
  const world = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await world.advance('1h')
  await world.engine.close()
  const same = await world.another({ schedules: [hourly] })
  expect(await same.engine.schedules.get('hourly')).toMatchObject({ next: at(2), runs: 1 })
  await same.engine.close()
  const daily = schedule('hourly', { cron: '30 4 * * *', job: quick })
  const { engine } = await world.another({ schedules: [daily] })
  expect(await engine.schedules.get('hourly')).toMatchObject({ next: new Date('2026-06-01T04:30:00Z'), runs: 1 })
})

test('a schedule that no code names any more goes on, is marked, and is removed by hand', async () => {
  const world = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await world.crash()
  const { engine, advance } = await world.another({ schedules: [] })
  await advance('2h')
  expect(await engine.schedules.get('hourly')).toMatchObject({ isOrphan: true, runs: 2 })
  await engine.schedules.remove('hourly')
  expect(await engine.schedules.list()).toEqual([])
})

test('a handler learns of the last run that completed', async () => {
  const seen: unknown[] = []
  const counting = job('counting', { output: z.number() }, async ({ schedule: facts }) => {
    const last = await facts?.lastSuccess()
    seen.push(last)
    return Number(last?.result ?? 0) + 1
  })
  const { advance } = await testEngine({
    jobs: [counting],
    schedules: [schedule('count', { cron: '0 * * * *', job: counting })],
    start,
  })
  await advance('3h')
  expect(seen).toMatchObject([undefined, { nominal: at(1), result: 1 }, { nominal: at(2), result: 2 }])
})

test('newer time zone data makes the next instant anew and says so', async () => {
  const world = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await world.engine.transaction((tx) =>
    tx.query(
      `update legwork.schedule set zone_data = '1999a', next_at = next_at + interval '20 minutes', due_at = due_at + interval '20 minutes'`,
      [],
    ),
  )
  const heard: unknown[] = []
  world.engine.on('rescheduled', (event) => heard.push(event))
  await world.advance('10m') // the chore that looks comes every ten minutes
  await world.advance('10m')
  expect(heard).toMatchObject([{ schedule: 'hourly', was: new Date('2026-06-01T01:20:00Z'), is: at(1) }])
  expect(await world.engine.schedules.next('hourly', 1)).toEqual([at(1)])
})

test('what cannot fire is refused when it is saved', async () => {
  const wrong: [unknown, string][] = [
    [{ cron: '0 0 30 2 *', job: quick }, 'cron'],
    [{ cron: '0 25 * * *', job: quick }, 'hour of cron'],
    [{ cron: '0 2 * * *', timezone: 'Mars/Base', job: quick }, 'timezone'],
  ]
  const { engine } = await testEngine({ jobs: [quick], start })
  for (const [options, option] of wrong) {
    const error = await failureOf(
      (async () => engine.schedules.put(schedule('bad', options as { cron: string; job: typeof quick })))(),
    )
    expect(error).toMatchObject({ code: 'LW_OPTION_INVALID', details: { option } })
  }
  expect(() => schedule('bad', { cron: '* * * * *', job: quick, overlap: 'never' as 'skip' })).toThrow(LegworkError)
  expect(() => schedule('bad', { cron: '* * * * *', anchor: 'lastCompletion', job: quick })).toThrow(
    'every is the only rule',
  )
  expect(await engine.schedules.list()).toEqual([])
})

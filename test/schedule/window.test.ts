import { expect, test } from 'vitest'
import { job, type Legwork, type Schedule, schedule, type ScheduleOptions } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const start = new Date('2026-06-01T01:59:00Z')
const at = (hour: number, minute = 0): Date => new Date(Date.UTC(2026, 5, 1, hour, minute))
const quick = job('quick', {}, ({ schedule: facts }) => facts?.interval)

function vacuum(options: Partial<ScheduleOptions<unknown>> = {}): Schedule {
  return schedule('vacuum', { cron: '0 2 * * *', window: '30m', job: quick, ...options })
}

test('it fires once, later than its instant, and for its instant', async () => {
  const world = await testEngine({ jobs: [quick], schedules: [vacuum()], start })
  if (world.database.kind === 'postgres') await world.another()
  const { engine, advance } = world
  const { due, ...status } = await engine.schedules.get('vacuum')
  expect(status).toMatchObject({ next: at(2), window: 30 * 60_000, description: expect.stringContaining('30 minutes') })
  expect(await engine.schedules.next('vacuum', 2)).toEqual([at(2), at(26)])
  expect(isIn(due, at(2), at(2, 30))).toBe(true)
  await advance(due!.getTime() - start.getTime() - 1)
  expect(await engine.schedules.history('vacuum')).toEqual([])
  await advance(at(2, 40).getTime() - due!.getTime())
  const history = await engine.schedules.history('vacuum')
  expect(history).toMatchObject([{ nominal: at(2), outcome: 'fired', kind: 'scheduled' }])
  expect(isIn(history[0]?.at, due!, new Date(due!.getTime() + 1_000))).toBe(true)
  expect(await engine.ref(history[0]?.job ?? '').result()).toEqual({ from: at(-22).toJSON(), to: at(2).toJSON() })
  expect(await engine.schedules.get('vacuum')).toMatchObject({ next: at(26), previous: at(2), runs: 1 })
})

test('it fires where nothing else does, and where nothing else is scheduled always at the same moment', async () => {
  const { engine } = await testEngine({ jobs: [quick], schedules: [], start })
  const dueOf = async (changed: Partial<ScheduleOptions<unknown>>) => {
    await engine.schedules.put(vacuum(changed))
    return (await engine.schedules.get('vacuum')).due
  }
  const alone = await dueOf({ catchUp: 'none' })
  await engine.schedules.put(schedule('other', { at: alone!.toJSON(), job: quick }))
  const beside = await dueOf({ catchUp: 'all' })
  expect(isIn(beside, at(2), at(2, 30))).toBe(true)
  expect(Math.abs(beside!.getTime() - alone!.getTime())).toBeGreaterThan(30_000)
  await engine.schedules.remove('other')
  expect(await dueOf({ catchUp: 'last' })).toEqual(alone)
})

test('a thousand schedules of one minute spread better than by chance', { timeout: 60_000 }, async () => {
  const fullest = async (options: { window: '10m' } | { jitter: '10m' }) => {
    const { engine } = await testEngine({ jobs: [quick], schedules: many(1_000, options), start })
    return Math.max(...(await countsPer(10, engine)))
  }
  const average = 1_000 / 60
  expect(await fullest({ jitter: '10m' })).toBeGreaterThan(1.4 * average)
  expect(await fullest({ window: '10m' })).toBeLessThan(1.15 * average)
})

test('each that has fired is placed beside the others for its next instant', { timeout: 60_000 }, async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: many(120, { window: '2m' }), start })
  await advance('5m')
  const all = await engine.schedules.list()
  expect(all.every(({ next, runs }) => runs === 1 && next?.getTime() === at(26).getTime())).toBe(true)
  expect(Math.max(...(await countsPer(2, engine)))).toBeLessThanOrEqual(2 * 2)
})

test('by hand and backfilled it runs at once, and its instant does not fire again', async () => {
  const { engine, advance, drain } = await testEngine({ jobs: [quick], schedules: [vacuum()], start })
  await engine.schedules.run('vacuum', { at: at(2) })
  await engine.schedules.backfill('vacuum', { from: at(-46), to: at(-22) })
  await drain()
  expect((await engine.list({ name: 'quick', state: 'completed' })).jobs).toHaveLength(3)
  await advance('35m')
  expect((await engine.schedules.history('vacuum')).map(({ nominal, kind }) => [nominal, kind])).toEqual([
    [at(2), 'manual'],
    [at(-22), 'backfill'],
    [at(-46), 'backfill'],
  ])
})

test('a process that comes back in the window fires in what is left of it', async () => {
  const hourly = vacuum({ cron: '0 * * * *', catchUp: 'none' })
  const world = await testEngine({ jobs: [quick], schedules: [hourly], start })
  await world.crash()
  await world.advance('71m')
  const { engine, advance } = await world.another()
  await advance('1s')
  expect(await engine.schedules.history('vacuum')).toMatchObject([{ nominal: at(2), outcome: 'missed', count: 1 }])
  const { next, due } = await engine.schedules.get('vacuum')
  expect(next).toEqual(at(3))
  expect(isIn(due, at(3, 10), at(3, 30))).toBe(true)
  await advance('20m')
  expect((await engine.schedules.history('vacuum'))[0]).toMatchObject({ nominal: at(3), kind: 'scheduled' })
})

test('what is skipped, paused, resumed or given another rule fires in the window of what comes next', async () => {
  const { engine, advance } = await testEngine({ jobs: [quick], schedules: [], start })
  const { schedules } = engine
  await schedules.put(vacuum())
  await schedules.skipNext('vacuum')
  expect(isIn((await schedules.get('vacuum')).due, at(26), at(26, 30))).toBe(true)
  await schedules.put(vacuum({ cron: '0 * * * *' }))
  expect(isIn((await schedules.get('vacuum')).due, at(3), at(3, 30))).toBe(true) // 2:00 is skipped whatever the rule
  await schedules.pause('vacuum', { until: at(3, 5) })
  await schedules.skipNext('vacuum')
  expect(await schedules.get('vacuum')).toMatchObject({ next: undefined, due: undefined })
  await advance('70m')
  const awake = await schedules.get('vacuum')
  expect(awake).toMatchObject({ state: 'active', next: at(4), missed: 0 })
  expect(isIn(awake.due, at(4), at(4, 30))).toBe(true)
  await schedules.pause('vacuum')
  await schedules.put(vacuum({ cron: '30 * * * *' }))
  await schedules.resume('vacuum')
  const { next, due } = await schedules.get('vacuum')
  expect(next).toEqual(at(3, 30))
  expect(isIn(due, at(3, 30), at(4))).toBe(true)
})

function isIn(moment: Date | undefined, from: Date, to: Date): boolean {
  return moment !== undefined && moment >= from && moment < to
}

function many(count: number, options: { window: '10m' | '2m' } | { jitter: '10m' }): Schedule[] {
  return Array.from({ length: count }, (_, n) => schedule(`report-${n}`, { cron: '0 2 * * *', job: quick, ...options }))
}

/** How many schedules are due in each span of so many seconds. */
async function countsPer(seconds: number, { schedules }: Legwork): Promise<number[]> {
  const counts = new Map<number, number>()
  for (const { due } of await schedules.list()) {
    const part = Math.floor(due!.getTime() / seconds / 1_000)
    counts.set(part, (counts.get(part) ?? 0) + 1)
  }
  return [...counts.values()]
}

import { expect, test } from 'vitest'
import { job, schedule, type ScheduleFacts } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const start = new Date('2026-06-01T00:30:00Z')

/** A job that remembers for which instants it ran. */
function recorded(name = 'report') {
  const runs: { nominal: string; facts: ScheduleFacts; input: unknown }[] = []
  const definition = job(name, {}, ({ schedule: facts, input }) => {
    if (facts) runs.push({ nominal: facts.nominal.toISOString(), facts, input })
  })
  return { runs, definition, nominals: () => runs.map(({ nominal }) => nominal) }
}

test('fires at every instant of its rule, with the interval since the one before', async () => {
  const { runs, definition, nominals } = recorded()
  const hourly = schedule('hourly', { cron: '0 * * * *', job: definition, input: { kind: 'all' } })
  const { advance } = await testEngine({ jobs: [definition], schedules: [hourly], start })
  await advance('29m')
  expect(nominals()).toEqual([])
  await advance('2h')
  expect(nominals()).toEqual(['2026-06-01T01:00:00.000Z', '2026-06-01T02:00:00.000Z'])
  expect(runs[1]?.input).toEqual({ kind: 'all' })
  expect(runs[1]?.facts).toMatchObject({
    id: 'hourly',
    previous: new Date('2026-06-01T01:00:00Z'),
    interval: { from: new Date('2026-06-01T01:00:00Z'), to: new Date('2026-06-01T02:00:00Z') },
    isCatchUp: false,
    isBackfill: false,
  })
})

test('several engines on one database fire once', async () => {
  const { definition, nominals } = recorded()
  const hourly = schedule('hourly', { cron: '0 * * * *', job: definition })
  const world = await testEngine({ jobs: [definition], schedules: [hourly], start })
  if (world.database.kind === 'postgres') await world.another()
  await world.advance('5h')
  expect(nominals()).toHaveLength(5)
  expect(new Set(nominals()).size).toBe(5)
})

test('a schedule whose instants passed while nobody worked runs once, for the last of them', async () => {
  const { runs, definition, nominals } = recorded()
  const hourly = schedule('hourly', { cron: '0 * * * *', job: definition })
  const world = await testEngine({ jobs: [definition], schedules: [hourly], start })
  await world.crash()
  await world.advance('10h')
  const next = await world.another()
  await next.advance('1s')
  expect(nominals()).toEqual(['2026-06-01T10:00:00.000Z'])
  expect(runs[0]?.facts.isCatchUp).toBe(true)
  expect(await next.engine.schedules.history('hourly')).toMatchObject([
    { outcome: 'fired', kind: 'catchUp', nominal: new Date('2026-06-01T10:00:00Z') },
    { outcome: 'missed', count: 9, nominal: new Date('2026-06-01T01:00:00Z'), until: new Date('2026-06-01T09:00:00Z') },
  ])
  expect(await next.engine.schedules.get('hourly')).toMatchObject({
    runs: 1,
    missed: 9,
    next: new Date('2026-06-01T11:00:00Z'),
  })
})

test('an input may be made for each firing', async () => {
  const { runs, definition } = recorded()
  const hourly = schedule('hourly', {
    cron: '0 * * * *',
    job: definition,
    input: ({ interval }) => ({ day: interval.to.toISOString().slice(0, 10) }),
  })
  const { advance } = await testEngine({ jobs: [definition], schedules: [hourly], start })
  await advance('1h')
  expect(runs.map(({ input }) => input)).toEqual([{ day: '2026-06-01' }])
})

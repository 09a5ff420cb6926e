import fc from 'fast-check'
import { expect, test } from 'vitest'
import { job, type State } from '../../src/index.ts'
import { testEngine, type TestWorld } from '../support/engine.ts'

const plain = job('plain', { retry: { attempts: 2, backoff: 'fixed', first: '1m' } }, ({ input }) => {
  if (input === 'fails') throw new Error('no')
})
const keyed = job('keyed', { queue: 'side', key: () => 'k' }, () => undefined)

/** What the counters say, against a count of the rows, when everything is at rest. */
async function compare({ engine, database, drain }: TestWorld): Promise<void> {
  await drain()
  const rows = await database.query<{ queue: string; state: State; n: number }>(
    'select queue, state, count(*)::int as n from legwork.jobs group by 1, 2',
  )
  for (const { name, counts } of await engine.queues()) {
    const own = rows.filter(({ queue }) => queue === name)
    const expected = Object.fromEntries(own.map(({ state, n }) => [state, n]))
    const told = Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0))
    expect([name, told]).toEqual([name, expected])
  }
}

type Step = (world: TestWorld) => Promise<unknown>

const steps: Record<string, Step> = {
  add: ({ engine }) => engine.enqueueMany(plain, ['a', 'b', 'fails']),
  addKeyed: ({ engine }) => engine.enqueueMany(keyed, [1, 2, 3]),
  addLater: ({ engine }) => engine.enqueue(plain, 'later', { delay: '3m' }),
  addUnique: ({ engine }) => engine.enqueue(plain, 'u', { unique: 'u', delay: '5m' }),
  wait: ({ advance }) => advance('90s'),
  cancelPlain: ({ engine }) => engine.cancel({ name: 'plain' }),
  cancelKeyed: ({ engine }) => engine.cancel({ name: 'keyed', input: 2 }),
  pauseSide: ({ engine }) => engine.pause('side'),
  redrive: ({ engine }) => engine.redrive(),
  pause: ({ engine }) => engine.pause('default'),
  resume: async ({ engine }) => {
    await engine.resume('default')
    await engine.resume('side')
  },
}

test('the counters are right after anything that can happen', async () => {
  const world = await testEngine({ jobs: [plain, keyed] })
  const history = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 8, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(history, async (names) => {
      for (const name of names) {
        await steps[name]?.(world)
        await compare(world)
      }
    }),
    { numRuns: 5, endOnFailure: true },
  )
  await steps['resume']?.(world)
  await world.advance('1h') // folds the counters
  await compare(world)
  expect(await world.database.query('select 1 from legwork.tally')).toEqual([])
}, 60_000)

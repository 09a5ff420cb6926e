import { expect, test } from 'vitest'
import { job, LegworkError } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

/** Says how many have run so far, after each of so many advances. */
async function paced(limit: '3/3s' | { count: number; per: '3s'; smooth: boolean }, jobs: number): Promise<number[]> {
  let ran = 0
  const call = job('call', { limit: typeof limit === 'string' ? limit : { rate: limit } }, () => void ran++)
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  await engine.enqueueMany(
    call,
    Array.from({ length: jobs }, (_, n) => n),
  )
  await drain()
  const seen = [ran]
  for (let second = 1; second <= 6; second++) {
    await advance('1s')
    seen.push(ran)
  }
  return seen
}

test('a smooth rate lets one begin after the other', async () => {
  expect(await paced('3/3s', 6)).toEqual([1, 2, 3, 4, 5, 6, 6])
})

test('a rate by windows lets all of a window begin together', async () => {
  expect(await paced({ count: 3, per: '3s', smooth: false }, 7)).toEqual([3, 3, 3, 6, 6, 6, 7])
})

test('a job that costs more makes those behind it wait longer', async () => {
  const ran: unknown[] = []
  const cost = (input: unknown): number => Number(input)
  const call = job('call', { limit: { rate: '1/1s', cost } }, ({ input }) => void ran.push(input))
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  await engine.enqueueMany(call, [3, 1])
  await drain()
  expect(ran).toEqual([3])
  await advance('2s')
  expect(ran).toEqual([3])
  await advance('1s')
  expect(ran).toEqual([3, 1])
})

test('a handler that asks to slow down is obeyed by those that have not begun', async () => {
  const ran: unknown[] = []
  const call = job('call', { limit: '1/1s' }, async ({ input, slowDown }) => {
    ran.push(input)
    if (input === 1) await slowDown({ for: '10s' })
  })
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  const [, second] = await engine.enqueueMany(call, [1, 2])
  await drain()
  await advance('9s')
  expect(ran).toEqual([1])
  expect((await second!.status()).waitsFor).toBe('limit "call" lets nobody begin: asked to slow down')
  await advance('1s')
  expect(ran).toEqual([1, 2])
})

test('a limit that is set, reset and unknown at run time', async () => {
  let ran = 0
  const call = job('call', { limit: '1/1h' }, () => void ran++)
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  await engine.enqueueMany(call, [1, 2, 3, 4])
  await drain()
  expect(ran).toBe(1)
  expect(await engine.limits.set('call', { rate: null }, { by: 'ada' })).toMatchObject({
    rate: undefined,
    changed: true,
  })
  await advance('1s')
  expect(ran).toBe(4)
  expect(await engine.limits.reset('call')).toMatchObject({ rate: { count: 1, per: 3_600_000 }, changed: false })
  expect(await engine.limits.history('call')).toMatchObject([
    { version: 2, from: { rate: null }, to: undefined },
    { version: 1, by: 'ada', from: undefined, to: { rate: null } },
  ])
  const error = await engine.limits.get('cal').catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(LegworkError)
  expect(error).toMatchObject({ code: 'LW_LIMIT_UNKNOWN', details: { nearest: 'call' } })
})

test.each([
  [`set_limit('a', '{"depth": 1}')`, /a limit cannot have depth = 1/],
  [`set_limit('a', '{"running": 0}')`, /a limit cannot have running = 0/],
  [`set_limit('a', '{"count": 1}')`, /a rate needs count and per/],
  [`set_limit('a', '3')`, /a limit is a JSON object/],
  [`set_limit('', null)`, /set_limit: the name must not be empty/],
  [`set_bound('a', '{"running": 1}')`, /a bound cannot have running = 1/],
  [`set_bound('a', '{"whenFull": "wait"}')`, /a bound cannot have whenFull = "wait"/],
  [`set_bound(null, null)`, /set_bound: the name must not be empty/],
])('plain SQL refuses %s', async (call, why) => {
  const { engine, database } = await testEngine({ jobs: [], work: false })
  await expect(database.query(`select legwork.${call}`)).rejects.toThrow(why)
  expect([await engine.limits.list(), await engine.bounds.list()]).toEqual([[], []])
})

test('a limit and a bound of one name are two settings; what changes nothing is no change', async () => {
  const { engine } = await testEngine({ jobs: [], work: false })
  await engine.limits.set('mail', { running: 2 })
  await engine.bounds.set('mail', { depth: 5 }, { by: 'ada' })
  await engine.bounds.set('mail', { depth: 5 }, { by: 'bob' })
  await engine.bounds.reset('mail')
  expect(await engine.limits.get('mail')).toMatchObject({ limit: 2, version: 1 })
  expect(await engine.bounds.get('mail')).toMatchObject({ depth: undefined, changed: false, version: 2 })
  expect(await engine.bounds.history('mail')).toMatchObject([{ version: 2 }, { version: 1, by: 'ada' }])
})

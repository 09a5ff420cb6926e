import { expect, test } from 'vitest'
import { batch, job } from '../../src/index.ts'
import { untilAborted } from '../support/aborted.ts'
import { gate, testEngine } from '../support/engine.ts'

test('an item has a lock, and so has the call, which belongs to all of its items', async () => {
  const names: string[][] = []
  const send = job(
    'send',
    {},
    batch({ size: 3 }, async ({ items, lock }) => {
      const held = async () => (await world.engine.locks()).map(({ name }) => name).toSorted()
      await lock('printer', () => items[0]!.lock('first', async () => void names.push(await held())))
      names.push(await held())
      return items.map((item) => item.input)
    }),
  )
  const world = await testEngine({ jobs: [send] })
  const refs = await world.engine.enqueueMany(send, [1, 2, 3])
  await world.advance('200ms')
  expect(names).toEqual([['first', 'printer'], []])
  expect(await refs[2]!.result()).toBe(3)
})

test('an item that is cancelled does not take the lock from the others; when all are, its signal aborts', async () => {
  const reasons: unknown[] = []
  const send = job(
    'send',
    {},
    batch({ size: 2 }, ({ lock }) =>
      lock('printer', async ({ signal }) => {
        reasons.push(await untilAborted(signal))
        throw new Error('stopped')
      }),
    ),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const [one, two] = await engine.enqueueMany(send, [1, 2])
  await advance('200ms')
  await one!.cancel()
  await advance('20s')
  expect((await one!.status()).state).toBe('cancelled')
  expect(reasons).toEqual([])
  expect(await engine.locks()).toMatchObject([{ name: 'printer' }])
  await two!.cancel()
  await advance('1s')
  expect(reasons).toMatchObject([{ code: 'LW_JOB_CANCELLED' }])
  expect(await engine.locks()).toEqual([])
})

test('when all items of a call that does not end are over, its lock is free, and it gets no other', async () => {
  const door = gate()
  const late: unknown[] = []
  const send = job(
    'send',
    { timeout: '1m', retry: false },
    batch({ size: 2 }, async (call) => {
      await call.lock('printer', () => door.opened).catch((error: unknown) => late.push(error))
      await call.lock('printer', () => 'mine').catch((error: unknown) => late.push(error))
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [send] })
  const refs = await engine.enqueueMany(send, [1, 2])
  await advance('2m')
  for (const ref of refs) expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_JOB_TIMEOUT' } })
  expect(await engine.locks()).toEqual([])
  door.open()
  await expect.poll(() => late).toMatchObject([{ code: 'LW_LOCK_LOST' }, { code: 'LW_WAIT_ABORTED' }])
})

test('a batch of one that is run by itself has the lock of its job', async () => {
  const called: string[] = []
  const send = batch({}, ({ lock }) => lock('printer', ({ name }) => void called.push(name)))
  const alone = job('alone', {}, (context) => send(context))
  const { engine, drain } = await testEngine({ jobs: [alone] })
  await engine.enqueue(alone)
  await drain()
  expect(called).toEqual(['printer'])
})

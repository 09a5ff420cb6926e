import { expect, test } from 'vitest'
import { type HeldLock, job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('one at a time under a name, first come first served, each with a larger token', async () => {
  const { engine } = await testEngine({ jobs: [] })
  const order: string[] = []
  const tokens: bigint[] = []
  let inside = 0
  const take = (who: string) =>
    engine.lock('ledger', async ({ token, name }) => {
      expect([name, ++inside]).toEqual(['ledger', 1])
      order.push(who)
      tokens.push(token)
      await new Promise((resolve) => setImmediate(resolve))
      inside--
      return who
    })
  const door = gate()
  const held = engine.lock('ledger', () => door.opened)
  const calls: Promise<string>[] = []
  for (const who of ['a', 'b', 'c', 'd']) {
    await expect.poll(() => engine.locks()).toMatchObject([{ waiting: calls.length }])
    calls.push(take(who))
  }
  await expect.poll(() => engine.locks()).toMatchObject([{ waiting: 4 }])
  door.open()
  await held
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd'])
  expect(order).toEqual(['a', 'b', 'c', 'd'])
  expect(tokens).toEqual(tokens.toSorted((a, b) => Number(a - b)))
  expect(new Set(tokens).size).toBe(4)
  expect(await engine.locks()).toEqual([])
})

test('other names do not wait, and what the work throws comes out and frees the lock', async () => {
  const { engine } = await testEngine({ jobs: [] })
  const door = gate()
  const held = engine.lock('a', () => door.opened)
  await expect(engine.lock('b', () => Promise.reject(new Error('no ink')))).rejects.toThrow('no ink')
  expect(await engine.lock('b', () => 'free again')).toBe('free again')
  door.open()
  await held
})

test('timeout 0 only tries, a longer one waits so long, and neither stays in line', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  const door = gate()
  const held = engine.lock('ledger', () => door.opened)
  await expect.poll(() => engine.locks()).toHaveLength(1)
  await expect(engine.lock('ledger', { timeout: 0 }, () => 'mine')).rejects.toMatchObject({ code: 'LW_WAIT_TIMEOUT' })
  const late = expect(engine.lock('ledger', { timeout: '5s' }, () => 'mine')).rejects.toMatchObject({
    code: 'LW_WAIT_TIMEOUT',
    details: { name: 'ledger', timeout: 5_000 },
  })
  await advance('5s')
  await late
  expect(await engine.locks()).toMatchObject([{ name: 'ledger', waiting: 0, pid: process.pid }])
  door.open()
  await held
  expect(await engine.lock('ledger', { timeout: 0 }, () => 'mine')).toBe('mine')
})

test('a signal ends the wait, and later aborts the signal of the work', async () => {
  const { engine } = await testEngine({ jobs: [] })
  const door = gate()
  const held = engine.lock('ledger', () => door.opened)
  await expect.poll(() => engine.locks()).toHaveLength(1)
  const waiting = new AbortController()
  const given = engine.lock('ledger', { signal: waiting.signal }, () => 'mine')
  waiting.abort(new Error('never mind'))
  await expect(given).rejects.toMatchObject({ code: 'LW_WAIT_ABORTED', cause: { message: 'never mind' } })
  await expect(engine.lock('x', { signal: AbortSignal.abort() }, () => 1)).rejects.toMatchObject({
    code: 'LW_WAIT_ABORTED',
  })
  door.open()
  await held
  const working = new AbortController()
  const work = engine.lock('ledger', { signal: working.signal }, ({ signal }) => aborted(signal))
  await expect.poll(() => engine.locks()).toHaveLength(1)
  working.abort(new Error('enough'))
  expect(await work).toMatchObject({ message: 'enough' })
})

test('a lock is kept for as long as the work takes, however long', async () => {
  const { engine, advance, clock } = await testEngine({ jobs: [] })
  const door = gate<string>()
  const began = clock.now()
  const held = engine.lock('ledger', { lease: '10s' }, async ({ signal }) => {
    const how = await door.opened
    return signal.aborted ? 'lost' : how
  })
  await expect.poll(() => engine.locks()).toHaveLength(1)
  const next = engine.lock('ledger', () => 'next')
  await advance('1h')
  expect(await engine.locks()).toMatchObject([{ name: 'ledger', since: new Date(began), waiting: 1 }])
  door.open('kept')
  expect(await held).toBe('kept')
  expect(await next).toBe('next')
})

test('in a handler, the job waits; its cancel ends the wait', async () => {
  const door = gate()
  const close = job('close', {}, ({ lock }) => lock('ledger', ({ token }) => typeof token))
  const { engine, advance, drain } = await testEngine({ jobs: [close] })
  const held = engine.lock('ledger', () => door.opened)
  await expect.poll(() => engine.locks()).toHaveLength(1)
  const first = await engine.enqueue(close)
  await advance('1s')
  const second = await engine.enqueue(close)
  await advance('1s')
  await second.cancel('no need')
  await advance('2s')
  expect(await second.status()).toMatchObject({ state: 'cancelled' })
  expect(await first.status()).toMatchObject({ state: 'running' })
  door.open()
  await held
  await drain()
  expect(await first.result()).toBe('bigint')
})

test('when an attempt is over its locks are free, also those of a handler that was left behind', async () => {
  const never = gate()
  const stuck = job('stuck', { timeout: '1m', retry: false }, ({ lock }) => lock('ledger', () => never.opened))
  const sleepy = job('sleepy', {}, ({ lock, sleep }) => lock('bed', () => sleep('1d')))
  const { engine, advance } = await testEngine({ jobs: [stuck, sleepy] })
  const refs = [await engine.enqueue(stuck), await engine.enqueue(sleepy)]
  await advance('30s')
  expect((await engine.locks()).map(({ name }) => name)).toEqual(['ledger'])
  expect(await refs[1]!.status()).toMatchObject({ state: 'waiting' })
  await advance('1m')
  expect(await refs[0]!.status()).toMatchObject({ state: 'dead' })
  expect(await engine.locks()).toEqual([])
})

test('closing waits for the work under a lock, turns away who waits, and frees it', async () => {
  const { engine } = await testEngine({ jobs: [] })
  const door = gate()
  const held = engine.lock('ledger', () => door.opened)
  await expect.poll(() => engine.locks()).toHaveLength(1)
  const waiting = expect(engine.lock('ledger', () => 'mine')).rejects.toMatchObject({ code: 'LW_CLOSED' })
  await expect.poll(() => engine.locks()).toMatchObject([{ waiting: 1 }])
  const closed = engine.close()
  await waiting
  door.open()
  await Promise.all([held, closed])
  await expect(engine.lock('ledger', () => 1)).rejects.toMatchObject({ code: 'LW_CLOSED' })
})

test('closing aborts what does not end in time', async () => {
  const { engine } = await testEngine({ jobs: [] })
  const held = engine.lock('ledger', ({ signal }) => aborted(signal))
  await expect.poll(() => engine.locks()).toHaveLength(1)
  await engine.close({ timeout: 0 })
  expect(await held).toMatchObject({ code: 'LW_SHUTDOWN' })
})

const work = () => 1
const wrong: readonly (readonly [string, readonly unknown[]])[] = [
  ['a name', ['', work]],
  ['a name without spaces at the ends', [' ledger', work]],
  ['work', ['ledger', { timeout: 1 }]],
  ['a lease of a second', ['ledger', { lease: 999 }, work]],
  ['a timeout', ['ledger', { timeout: -1 }, work]],
]
test.each(wrong)('refuses a call without %s', async (_, call) => {
  const { engine } = await testEngine({ jobs: [] })
  const lock = engine.lock.bind(engine) as (...given: unknown[]) => Promise<unknown>
  await expect(lock(...call)).rejects.toMatchObject({ code: 'LW_OPTION_INVALID' })
})

function aborted(signal: HeldLock['signal']): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
}

import { expect, test } from 'vitest'
import { gate, testEngine } from '../support/engine.ts'

test('a lock holds over processes; of a killed one it is free after the lease, with a larger token', async () => {
  const first = await testEngine({ jobs: [] })
  const second = await first.another()
  const never = gate()
  let old = 0n
  void first.engine.lock('ledger', { lease: '10s' }, ({ token }) => {
    old = token
    return never.opened
  })
  await expect.poll(() => second.engine.locks()).toHaveLength(1)
  let fresh = 0n
  const taken = second.engine.lock('ledger', ({ token }) => void (fresh = token))
  await second.advance('1m')
  expect([old > 0n, fresh]).toEqual([true, 0n])
  await first.crash()
  await second.advance('5s')
  expect(fresh).toBe(0n)
  await second.advance('7s')
  await taken
  expect(fresh).toBeGreaterThan(old)
})

test('a killed one in the line is passed over', async () => {
  const first = await testEngine({ jobs: [] })
  const second = await first.another()
  const door = gate()
  const held = second.engine.lock('ledger', () => door.opened)
  await second.advance('1s')
  void first.engine.lock('ledger', () => 'mine')
  await second.advance('1s')
  const third = second.engine.lock('ledger', () => 'third')
  await second.advance('1s')
  expect(await second.engine.locks()).toMatchObject([{ waiting: 2 }])
  await first.crash()
  door.open()
  await held
  await second.advance('12s')
  expect(await third).toBe('third')
})

test('what a process holds is free when it closes, and another one leads at once', async () => {
  const first = await testEngine({ jobs: [] })
  const second = await first.another()
  void first.engine.lock('ledger', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)))
  const a = first.engine.leader('feed', () => undefined)
  await expect.poll(() => a.leading).toBe(true)
  const b = second.engine.leader('feed', () => undefined)
  const waiting = second.engine.lock('ledger', () => 'mine')
  await first.advance('1s')
  expect([a.leading, b.leading]).toEqual([true, false])
  await first.engine.close({ timeout: 0 })
  expect(await waiting).toBe('mine')
  await expect.poll(() => b.leading).toBe(true)
})

test('a leader that was killed is followed by another one', async () => {
  const first = await testEngine({ jobs: [] })
  const second = await first.another()
  const a = first.engine.leader('feed', () => undefined)
  await expect.poll(() => a.leading).toBe(true)
  const b = second.engine.leader('feed', () => undefined)
  await second.advance('1s')
  await first.crash()
  await second.advance('5s')
  expect(b.leading).toBe(false)
  await second.advance('7s')
  expect(b.leading).toBe(true)
})

test('one that finds its lock taken when it renews it has lost it, whatever the work came to', async () => {
  const { engine, advance, database } = await testEngine({ jobs: [] })
  if (database.kind !== 'postgres') throw new Error('this test needs a server')
  const door = gate<string>()
  const reasons: unknown[] = []
  const held = engine.lock('ledger', { lease: '10s' }, async ({ signal }) => {
    signal.addEventListener('abort', () => reasons.push(signal.reason))
    return door.opened
  })
  await expect.poll(() => engine.locks()).toHaveLength(1)
  await database.query(`update legwork.lock set who = 'somebody else'`)
  await advance('3s')
  expect(reasons).toMatchObject([{ code: 'LW_LOCK_LOST', details: { name: 'ledger' } }])
  door.open('done')
  await expect(held).rejects.toMatchObject({ code: 'LW_LOCK_LOST' })
})

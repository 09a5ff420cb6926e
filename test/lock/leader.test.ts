import { expect, test } from 'vitest'
import type { HeldLock } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('one of several candidates leads; when it is stopped, the next one does', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  const terms: string[] = []
  const stand = (who: string) =>
    engine.leader('feed', async ({ signal }) => {
      terms.push(`${who} leads`)
      await aborted(signal)
      terms.push(`${who} ends`)
    })
  const a = stand('a')
  await expect.poll(() => a.leading).toBe(true)
  const b = stand('b')
  await advance('1m')
  expect(terms).toEqual(['a leads'])
  expect([a.leading, b.leading]).toEqual([true, false])
  await a.stop()
  await a.stop()
  await advance('2s')
  expect(terms).toEqual(['a leads', 'a ends', 'b leads'])
  expect([a.leading, b.leading]).toEqual([false, true])
  await b.stop()
})

test('the work may begin something and return: the process leads on', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  let signal: AbortSignal | undefined
  const leader = engine.leader('feed', (lock) => void (signal = lock.signal))
  await advance('1h')
  expect([leader.leading, signal?.aborted]).toEqual([true, false])
  await leader.stop()
  expect(signal?.reason).toMatchObject({ code: 'LW_SHUTDOWN' })
})

const bad: readonly (readonly [string, () => boolean | Promise<boolean>])[] = [
  ['says no', () => false],
  ['fails', () => Promise.reject(new Error('no disk'))],
  ['does not answer', () => new Promise<boolean>(() => undefined)],
]
test.each(bad)('a health check that %s deposes the leader, and another one takes over', async (_, check) => {
  const { engine, advance } = await testEngine({ jobs: [] })
  let ill = false
  const reasons: unknown[] = []
  const first = engine.leader('feed', { health: () => (ill ? check() : true) }, async ({ signal }) => {
    await aborted(signal)
    reasons.push(signal.reason)
  })
  await expect.poll(() => first.leading).toBe(true)
  const second = engine.leader('feed', () => undefined)
  await advance('1m')
  expect([first.leading, second.leading]).toEqual([true, false])
  ill = true
  for (let n = 0; n < 10; n++) await advance('2s')
  expect([first.leading, second.leading]).toEqual([false, true])
  expect(reasons).toMatchObject([{ code: 'LW_LOCK_LOST' }])
  await second.stop()
  await advance('1m')
  expect(first.leading).toBe(false)
})

test('what the work throws deposes it; it stands again behind the others', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  const told: string[] = []
  engine.on('leading', ({ leader, token }) => told.push(`${leader} ${typeof token}`))
  engine.on('deposed', ({ reason }) => told.push(`deposed: ${reason}`))
  engine.on('error', ({ during, error }) => told.push(`${during}: ${String(error)}`))
  let tries = 0
  const a = engine.leader('feed', () => {
    if (++tries === 1) throw new Error('no feed')
  })
  await advance('10s')
  expect(told).toEqual(['feed bigint', 'leading "feed": Error: no feed', 'deposed: no feed', 'feed bigint'])
  expect(a.leading).toBe(true)
})

test('the next leader waits for the end of the work, but no longer than a lease', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  const door = gate()
  const a = engine.leader('feed', { lease: '10s' }, () => door.opened)
  await expect.poll(() => a.leading).toBe(true)
  const b = engine.leader('feed', () => undefined)
  await advance('1s')
  const stopped = a.stop()
  await advance('5s')
  expect([a.leading, b.leading]).toEqual([false, false])
  await advance('10s')
  expect(b.leading).toBe(true)
  door.open()
  await stopped
})

test('closing ends the term, and nobody stands by any more', async () => {
  const { engine, advance } = await testEngine({ jobs: [] })
  let reason: unknown
  const a = engine.leader('feed', async ({ signal }) => {
    await aborted(signal)
    reason = signal.reason
  })
  await expect.poll(() => a.leading).toBe(true)
  const b = engine.leader('feed', () => undefined)
  await advance('1s')
  await engine.close({ timeout: 0 })
  expect(reason).toMatchObject({ code: 'LW_SHUTDOWN' })
  expect([a.leading, b.leading]).toEqual([false, false])
  expect(() => engine.leader('feed', () => undefined)).toThrow(/LW_CLOSED/)
})

test('refuses what is no function', async () => {
  const { engine } = await testEngine({ jobs: [] })
  expect(() => engine.leader('feed', { health: true as never }, () => undefined)).toThrow(/LW_OPTION_INVALID/)
  expect(() => engine.leader('feed', undefined as never)).toThrow(/LW_OPTION_INVALID/)
})

function aborted(signal: HeldLock['signal']): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
}

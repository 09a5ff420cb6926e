import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('a breaker opens by failures, tries a probe, and closes by its success; nobody spends an attempt meanwhile', async () => {
  let broken = true
  const call = job(
    'call',
    { breaker: { name: 'stripe', min: 2, openFor: '1m' }, limit: 1, retry: { backoff: 'fixed', first: '1s' } },
    () => {
      if (broken) throw new Error('down')
    },
  )
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  const turns: string[] = []
  engine.on('breaker_opened', ({ breaker, reason }) => turns.push(`${breaker} opened: ${reason}`))
  engine.on('breaker_closed', ({ breaker }) => turns.push(`${breaker} closed`))
  const refs = await engine.enqueueMany(call, [1, 2, 3, 4])
  await drain()
  expect(turns).toEqual(['stripe opened: 2 of 2 jobs failed'])
  const last = await refs[3]!.status()
  expect(last).toMatchObject({ state: 'blocked', attempt: 0, waitsFor: 'breaker "stripe" is open: 2 of 2 jobs failed' })
  broken = false
  await advance('1m')
  expect(turns.at(-1)).toBe('stripe closed')
  for (const ref of refs) expect((await ref.status()).state).toBe('completed')
})

test('a breaker is opened and closed by hand', async () => {
  const call = job('call', { breaker: 'stripe' }, () => 'ran')
  const { engine, drain, advance } = await testEngine({ jobs: [call] })
  await engine.breakers.open('stripe', 'they called')
  const ref = await engine.enqueue(call)
  await advance('1h')
  expect((await ref.status()).waitsFor).toBe('breaker "stripe" is open: they called')
  expect(await engine.breakers.list()).toMatchObject([{ name: 'stripe', state: 'open', waiting: 1 }])
  await engine.breakers.close('stripe')
  await advance('1s')
  await drain()
  expect(await ref.result()).toBe('ran')
})

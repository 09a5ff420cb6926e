import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const soon = { attempts: 3, backoff: 'fixed', first: '1m' } as const

test.each(['allow', 'error'] as const)('a step that the new code leaves out, with drift: %s', async (drift) => {
  let isOld = true
  const ran: string[] = []
  const order = job('order', { retry: soon, drift }, async ({ step, sleep }) => {
    if (isOld) await step('audit', () => void ran.push('audit'))
    await sleep('1h')
    await step('mail', () => void ran.push('mail'))
  })
  const { engine, advance, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  isOld = false
  await advance('1h')
  await advance('5s')
  expect((await ref.status()).state).toBe(drift === 'allow' ? 'completed' : 'scheduled')
  expect((await ref.attempts()).filter(({ outcome }) => outcome === 'retry').map(({ error }) => error)).toEqual(
    drift === 'allow'
      ? []
      : [expect.objectContaining({ code: 'LW_STEP_DRIFT', message: expect.stringContaining('"audit", a step') })],
  )
  isOld = true
  await advance('2m')
  await ref.result()
  expect(ran).toEqual(['audit', 'mail'])
})

test("with drift: 'error', also code that asks for nothing any more is refused", async () => {
  let isOld = true
  const order = job('order', { retry: soon, drift: 'error' }, async ({ step, attempt }) => {
    if (isOld) await step('audit', () => 'done')
    if (attempt === 1) throw new Error('later')
  })
  const { engine, advance, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  isOld = false
  await advance('5m')
  expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_STEP_DRIFT' } })
})

test("with drift: 'error', a job that is undone has not to come to all of its steps, nor has one without steps", async () => {
  const undone: string[] = []
  let isBroken = false
  const order = job('order', { drift: 'error' }, async ({ step, sleep, now, runAll }) => {
    await now()
    await step('reserve', () => 'r', { undo: () => void undone.push('reserve') })
    await runAll(plain, [])
    await step('charge', () => 'c', { undo: () => void undone.push('charge') })
    await sleep('1h')
    await step(isBroken ? 'new' : 'old', () => 'x')
  })
  const plain = job('plain', { drift: 'error' }, () => 'plain')
  const { engine, advance, drain } = await testEngine({ jobs: [order, plain] })
  const ref = await engine.enqueue(order)
  const other = await engine.enqueue(plain)
  await drain()
  isBroken = true
  await ref.cancel()
  await advance('1m')
  expect((await ref.status()).state).toBe('compensated')
  expect(undone).toEqual(['charge', 'reserve'])
  expect(await other.result()).toBe('plain')
})

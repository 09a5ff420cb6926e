import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('a job that runs in one process is cancelled from another', async () => {
  const started = gate()
  const long = job('long', {}, async ({ signal }) => {
    started.open()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw signal.reason
  })
  const one = await testEngine({ jobs: [long] })
  const two = await one.another({ work: false })
  const ref = await one.engine.enqueue(long)
  await started.opened
  expect(await two.engine.ref(ref.id).cancel('from far away')).toBe(true)
  await one.drain()
  expect(await two.engine.ref(ref.id).status()).toMatchObject({ state: 'cancelled', reason: 'from far away' })
})

test('when the hint gets lost, the heartbeat finds the request', async () => {
  const long = job('long', {}, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw signal.reason
  })
  const { engine, database, advance } = await testEngine({ jobs: [long] })
  const ref = await engine.enqueue(long)
  await advance('1s')
  await database.query(`update legwork.job set cancel_at = legwork.now(), cancel_reason = 'by hand' where id = $1`, [
    ref.id,
  ])
  await advance('10s')
  expect(await ref.status()).toMatchObject({ state: 'cancelled', reason: 'by hand' })
})

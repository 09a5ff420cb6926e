import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, type JobContext } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const square = job('square', { input: z.number(), output: z.number(), retry: false }, ({ input }) => {
  if (input === 13) throw new Error('unlucky')
  return input * input
})

function recorder() {
  const told: string[] = []
  const tell = job('tell', { input: z.string() }, ({ input }) => void told.push(input))
  const callbacks = {
    onFinished: tell.with('finished'),
    onSucceeded: tell.with('succeeded'),
    onFailed: tell.with('failed'),
  }
  return { told, tell, callbacks }
}

test('jobs added together: how far they are, what they came to, and a job when all have succeeded', async () => {
  const { told, tell, callbacks } = recorder()
  const { engine, drain } = await testEngine({ jobs: [square, tell] })
  const batch = await engine.addBatch(
    [1, 2, 3].map((n) => square.with(n)),
    callbacks,
  )
  await drain()
  expect(await batch.status()).toMatchObject({ total: 3, pending: 0, failed: 0, endedAt: expect.any(Date) })
  const results = []
  for await (const result of engine.batch(batch.id).results()) results.push(result)
  expect(results.map((result) => result.state === 'completed' && result.output)).toEqual([1, 4, 9])
  expect(told).toEqual(['succeeded', 'finished'])
})

test('when one fails: told at once, and when all have ended; never twice', async () => {
  const { told, tell, callbacks } = recorder()
  const calls = [13, 13, 2].map((n) => square.with(n))
  const late = job('late', {}, ({ sleep }) => sleep('1h'))
  const { engine, advance } = await testEngine({ jobs: [square, tell, late] })
  const batch = await engine.addBatch([...calls, late.with()], callbacks)
  await advance('1m')
  expect(told).toEqual(['failed'])
  expect(await batch.status()).toMatchObject({ total: 4, pending: 1, failed: 2, endedAt: undefined })
  await advance('2h')
  expect(told).toEqual(['failed', 'finished'])
})

test('jobs of several definitions, those that are cancelled, and the wait for the end', async () => {
  const late = job('late', {}, ({ sleep }) => sleep('1h'))
  const { engine, drain, advance } = await testEngine({ jobs: [square, late] })
  const batch = await engine.addBatch([square.with(5), late.with(), late.with()])
  await drain()
  expect(await failureOf(batch.done({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'LW_WAIT_ABORTED' })
  const done = batch.done()
  expect(await batch.cancel('enough')).toBe(2)
  await advance('1m')
  expect(await done).toMatchObject({ pending: 0, failed: 2 })
  expect(await batch.cancel()).toBe(0)
})

test('a job that follows learns of which batch', async () => {
  let headers: JobContext['headers'] | undefined
  const report = job('report', {}, (context) => void (headers = context.headers))
  const { engine, drain } = await testEngine({ jobs: [square, report] })
  const batch = await engine.addBatch([square.with(1)], { onFinished: report.with() })
  await drain()
  expect(headers).toMatchObject({ 'legwork-batch': batch.id })
})

test('a crash before the last has ended: the job that follows is added once', async () => {
  const never = gate()
  let isFirst = true
  const { told, tell, callbacks } = recorder()
  const stuck = job('stuck', {}, async () => {
    if (isFirst) await never.opened
  })
  const one = await testEngine({ jobs: [stuck, tell] })
  await one.engine.addBatch([stuck.with(), stuck.with()], callbacks)
  await one.advance('1s')
  isFirst = false
  const two = await crashAndReplace(one)
  await two.drain()
  expect(told).toEqual(['succeeded', 'finished'])
  never.open()
})

test('an input that does not fit adds nothing; what is no batch is refused', async () => {
  const { engine } = await testEngine({ jobs: [square] })
  expect(await failureOf(engine.addBatch([square.with(1), square.with('x' as never)]))).toMatchObject({
    code: 'LW_INPUT_INVALID',
  })
  expect((await engine.list()).jobs).toEqual([])
  for (const bad of [[], 'x', [square], [{ job: 'square', input: 1 }]])
    expect(await failureOf(engine.addBatch(bad as never))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(engine.batch('999').status())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { Abort, job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const report = job(
  'report',
  { output: z.object({ at: z.coerce.date(), pages: z.number() }), retry: false },
  async ({ input }) => {
    if (input === 'abort') throw new Abort('no such customer', { cause: new RangeError('id 7') })
    return { at: '2026-01-01T00:00:00Z', pages: 3 }
  },
)

test('the result comes parsed by the output schema, while one waits and after the fact', async () => {
  const { engine } = await testEngine({ jobs: [report] })
  const ref = await engine.enqueue(report)
  const parsed = { at: new Date('2026-01-01'), pages: 3 }
  expect(await ref.result()).toEqual(parsed)
  expect(await ref.result()).toEqual(parsed)
  expect(await engine.ref(ref.id, report).result()).toEqual(parsed)
  expect(await engine.ref(ref.id).result()).toEqual({ at: '2026-01-01T00:00:00Z', pages: 3 })
})

test('without an output schema it is what JSON makes of it; nothing stays nothing, null stays null', async () => {
  const echo = job('echo', {}, ({ input }) => input)
  const { engine } = await testEngine({ jobs: [echo] })
  const results = [{ a: [1, null] }, null, undefined, 'text', false].map(async (input) =>
    (await engine.enqueue(echo, input)).result(),
  )
  expect(await Promise.all(results)).toEqual([{ a: [1, null] }, null, undefined, 'text', false])
})

test('a dead job rejects with its error, causes and all', async () => {
  const { engine } = await testEngine({ jobs: [report] })
  const ref = await engine.enqueue(report, 'abort')
  const error = await failureOf(ref.result())
  expect(error).toMatchObject({
    code: 'LW_JOB_DEAD',
    message: `Job ${ref.id} (report) is dead after attempt 1: Abort: no such customer [LW_JOB_DEAD]`,
    details: { id: ref.id, name: 'report', state: 'dead', reason: 'aborted', attempt: 1 },
    cause: expect.objectContaining({ name: 'Abort', message: 'no such customer' }),
  })
  expect((error.cause as Error).cause).toMatchObject({ name: 'RangeError', message: 'id 7' })
})

test('the wait ends after its timeout, and the job goes on', async () => {
  const door = gate<string>()
  const slow = job('slow', {}, () => door.opened)
  const { engine, advance } = await testEngine({ jobs: [slow] })
  const ref = await engine.enqueue(slow)
  const waiting = failureOf(ref.result({ timeout: '5s' }))
  await advance('5s')
  expect(await waiting).toMatchObject({ code: 'LW_WAIT_TIMEOUT', message: expect.stringContaining('5000 ms') })
  expect(await failureOf(ref.result({ timeout: 0 }))).toMatchObject({ code: 'LW_WAIT_TIMEOUT' })
  door.open('done')
  expect(await ref.result({ timeout: '5s' })).toBe('done')
  expect(await failureOf(ref.result({ timeout: 'soon' as '1s' }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

test('the wait ends when its signal aborts', async () => {
  const plain = job('plain')
  const { engine } = await testEngine({ jobs: [plain], work: false })
  const ref = await engine.enqueue(plain)
  const stop = new AbortController()
  const waiting = failureOf(ref.result({ signal: stop.signal }))
  stop.abort(new Error('page closed'))
  expect(await waiting).toMatchObject({ code: 'LW_WAIT_ABORTED', cause: new Error('page closed') })
  expect(await failureOf(ref.result({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'LW_WAIT_ABORTED' })
})

test('a job that never was is not found', async () => {
  const { engine } = await testEngine({ jobs: [], work: false })
  expect(await failureOf(engine.ref('25600').result())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect(await failureOf(engine.ref('25600').status())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

test('waits end when the engine is closed', async () => {
  const plain = job('plain')
  const { engine } = await testEngine({ jobs: [plain], work: false })
  const waiting = failureOf((await engine.enqueue(plain)).result())
  await engine.close()
  expect(await waiting).toMatchObject({ code: 'LW_CLOSED' })
  expect(await failureOf(engine.ref('256').result())).toMatchObject({ code: 'LW_CLOSED' })
})

test('many wait for many, all in few statements', async () => {
  const square = job('square', {}, ({ input }) => Number(input) ** 2)
  const { engine } = await testEngine({ jobs: [square] })
  const refs = await engine.enqueueMany(
    square,
    Array.from({ length: 500 }, (_, n) => n),
  )
  const results = await Promise.all(refs.map((ref) => ref.result()))
  expect(results).toEqual(results.map((_, n) => n ** 2))
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { Abort, type JobOptions, job, RetryAfter, Snooze } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const start = new Date('2026-03-01T00:00:00Z')

/** Seconds after the first run at which a job that always fails is run, for a day. */
async function runsOf(
  retry: JobOptions<undefined, undefined>['retry'],
  fail: (attempt: number) => unknown,
): Promise<number[]> {
  const at: number[] = []
  const failing = job('failing', { ...(retry !== undefined && { retry }) }, ({ attempt }) => {
    at.push((clock.now() - start.getTime()) / 1_000)
    throw fail(attempt)
  })
  const { engine, clock, advance } = await testEngine({ jobs: [failing], start })
  await engine.enqueue(failing)
  await advance('1d')
  return at
}

const boom = (): Error => new Error('boom')

test('exponential back-off doubles up to its maximum', async () => {
  expect(await runsOf({ attempts: 6, first: '1s', max: '5s', jitter: 0 }, boom)).toEqual([0, 1, 3, 7, 12, 17])
})

test('exponential back-off is spread by default', async () => {
  const [first = 0, second = 0, third = 0] = await runsOf({ attempts: 3, first: '100s' }, boom)
  expect(second - first).toBeGreaterThanOrEqual(50)
  expect(second - first).toBeLessThanOrEqual(100)
  expect(third - second).toBeGreaterThanOrEqual(100)
  expect(third - second).toBeLessThanOrEqual(200)
})

test('linear, fixed and custom back-off', async () => {
  expect(await runsOf({ attempts: 4, backoff: 'linear', first: '10s' }, boom)).toEqual([0, 10, 30, 60])
  expect(await runsOf({ attempts: 3, backoff: 'fixed', first: '10s' }, boom)).toEqual([0, 10, 20])
  const custom = (attempt: number, error: unknown): `${number}m` => (error instanceof RangeError ? `${attempt}m` : '9m')
  expect(await runsOf({ attempts: 3, backoff: custom }, () => new RangeError('x'))).toEqual([0, 60, 180])
})

test('a back-off function that fails does not stop the retries', async () => {
  const broken = (): never => {
    throw new Error('my mistake')
  }
  expect(await runsOf({ attempts: 3, backoff: broken, first: '7s' }, boom)).toEqual([0, 7, 14])
})

test('RetryAfter and what an error asks for replace the back-off', async () => {
  const response = new Response(null, { headers: { 'Retry-After': '90' } })
  const date = new Headers({ 'Retry-After': new Date(start.getTime() + 300_000).toUTCString() })
  const errors = [
    new RetryAfter('30s', 'the provider is down'),
    Object.assign(new Error('429'), { response }),
    Object.assign(new Error('503'), { headers: date }),
    new Error('outer', { cause: Object.assign(new Error('inner'), { retryAfter: 1_500.4 }) }),
  ]
  expect(await runsOf({ attempts: 5 }, (attempt) => errors[attempt - 1] ?? boom())).toEqual([0, 30, 120, 300, 301.5])
})

test('Abort ends the job at once, with its reason', async () => {
  const doomed = job('doomed', {}, () => {
    throw new Abort('the user is gone')
  })
  const { engine } = await testEngine({ jobs: [doomed] })
  const ref = await engine.enqueue(doomed)
  expect(await failureOf(ref.result())).toMatchObject({ code: 'LW_JOB_DEAD' })
  expect(await ref.status()).toMatchObject({
    state: 'dead',
    reason: 'aborted',
    attempt: 1,
    error: { message: 'the user is gone' },
  })
})

test('Snooze runs the job again later and does not count', async () => {
  const attempts: number[] = []
  const waiting = job('waiting', { retry: { attempts: 2, backoff: 'fixed', first: '1s' } }, ({ attempt }) => {
    attempts.push(attempt)
    if (attempts.length < 5) throw new Snooze('10m', 'no report yet')
    throw new Error('it is broken')
  })
  const { engine, advance } = await testEngine({ jobs: [waiting] })
  const ref = await engine.enqueue(waiting)
  await advance('1h')
  expect(attempts).toEqual([1, 1, 1, 1, 1, 2])
  expect(await ref.status()).toMatchObject({ state: 'dead', reason: 'attempts', attempt: 2 })
  const kept = await ref.attempts()
  expect(kept.map(({ outcome }) => outcome)).toEqual(['snooze', 'snooze', 'snooze', 'snooze', 'retry', 'dead'])
  expect(kept[0]).toMatchObject({ delay: 600_000, error: { message: 'no report yet' } })
})

test('when the attempts are used up the job is dead, and the error of every attempt is kept', async () => {
  const failing = job('failing', { retry: { attempts: 3, backoff: 'fixed', first: '1m' } }, ({ attempt }) => {
    const cause = Object.assign(new Error('disk full'), { code: 'ENOSPC' })
    throw new TypeError(`attempt ${attempt} failed`, { cause })
  })
  const { engine, clock, advance } = await testEngine({ jobs: [failing], start })
  const ref = await engine.enqueue(failing)
  await advance('10m')
  const attempts = await ref.attempts()
  expect(attempts.map(({ attempt, outcome, delay, startedAt }) => [attempt, outcome, delay, startedAt])).toEqual([
    [1, 'retry', 60_000, start],
    [2, 'retry', 60_000, new Date(start.getTime() + 60_000)],
    [3, 'dead', undefined, new Date(start.getTime() + 120_000)],
  ])
  for (const { error, attempt } of attempts) {
    expect(error).toMatchObject({
      name: 'TypeError',
      message: `attempt ${attempt} failed`,
      stack: expect.stringContaining('retry.test.ts'),
      cause: { message: 'disk full', code: 'ENOSPC' },
    })
  }
  expect(await ref.status()).toMatchObject({
    state: 'dead',
    reason: 'attempts',
    attempt: 3,
    error: { message: 'attempt 3 failed' },
    finishedAt: new Date(start.getTime() + 120_000),
  })
  expect(clock.now()).toBe(start.getTime() + 600_000)
})

test('anything can be thrown', async () => {
  const thrown = [
    undefined,
    null,
    'text',
    7n,
    { message: 'like an error' },
    Object.create(null),
    new Proxy({}, { get: boomNow }),
  ]
  const odd = job('odd', { retry: false }, ({ input }) => {
    throw thrown[Number(input)]
  })
  const { engine, drain } = await testEngine({ jobs: [odd] })
  const refs = await engine.enqueueMany(
    odd,
    thrown.map((_, place) => place),
  )
  await drain()
  const found = await Promise.all(refs.map((ref) => ref.status()))
  expect(found.map(({ state, error }) => [state, typeof error?.message])).toEqual(thrown.map(() => ['dead', 'string']))
})

function boomNow(): never {
  throw new Error('do not look')
}

test('one job may have other attempts, back-off and timeout than its definition', async () => {
  const at: number[] = []
  const failing = job('failing', { retry: { attempts: 9, first: '1h' } }, ({ attempts }) => {
    at.push((clock.now() - start.getTime()) / 1_000, attempts)
    throw boom()
  })
  const { engine, clock, advance } = await testEngine({ jobs: [failing], start })
  await engine.enqueue(failing, null, { retry: { attempts: 2, backoff: 'fixed', first: '5s' } })
  await advance('1m')
  expect(at).toEqual([0, 2, 5, 2])
  expect(
    await failureOf(engine.enqueue(failing, null, { retry: { backoff: (() => 1) as unknown as 'fixed' } })),
  ).toMatchObject({
    code: 'LW_OPTION_INVALID',
  })
})

test('output that does not fit its schema fails the attempt', async () => {
  const wrong = job(
    'wrong',
    { output: z.object({ n: z.number() }), retry: false },
    () => ({ n: 'seven' }) as unknown as { n: number },
  )
  const { engine, drain } = await testEngine({ jobs: [wrong] })
  const ref = await engine.enqueue(wrong)
  await drain()
  const found = await ref.status()
  expect(found).toMatchObject({ state: 'dead', error: { code: 'LW_OUTPUT_INVALID' } })
  expect(found.error?.message).toMatch(/^Output of job "wrong" is invalid: \$\.n: .* \(got "seven"\)/)
})

test('output that cannot be stored fails the attempt', async () => {
  const wrong = job('wrong', { retry: false }, () => ({ n: 7n }))
  const { engine, drain } = await testEngine({ jobs: [wrong] })
  const ref = await engine.enqueue(wrong)
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_VALUE_UNSTORABLE' } })
})

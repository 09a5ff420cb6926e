import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, test } from 'vitest'
import { callOf, isolated, listening, modes } from './support.ts'

describe.each(modes)('in a %s', (mode) => {
  test('a handler runs elsewhere, with its input parsed and its output as JSON', async () => {
    const isolation = isolated()
    const place = await isolation.run(callOf(mode, 'where'))
    const here = { pid: process.pid, thread: expect.any(Number), main: false }
    expect(place).toMatchObject({ ok: true, output: mode === 'thread' ? here : { main: true } })
    if (mode === 'process') expect(place).not.toMatchObject({ output: { pid: process.pid } })

    const outcome = await isolation.run(callOf(mode, 'add', { input: { at: '2026-01-01T00:00:00.000Z', days: 2 } }))
    expect(outcome).toEqual({ ok: true, output: { isDate: true, at: '2026-01-03T00:00:00.000Z' } })
  })

  test('input that does not fit the schema is refused with its path', async () => {
    const outcome = await isolated().run(callOf(mode, 'add', { input: { at: '2026-01-01', days: 'two' } }))
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: 'LW_INPUT_INVALID', message: expect.stringContaining('$.days') },
    })
  })

  test('the context shows the facts of the job', async () => {
    const facts = { id: '42', attempt: 3, tags: ['a'], enqueuedAt: '2026-05-01T00:00:00.000Z' }
    const outcome = await isolated().run(callOf(mode, 'facts', { facts }))
    expect(outcome).toEqual({ ok: true, output: { id: '42', attempt: 3, tags: ['a'], key: 'none', year: 2026 } })
  })

  test('progress and log lines arrive in order, before the outcome', async () => {
    const heard = listening()
    const outcome = await isolated().run(callOf(mode, 'talk', heard.handlers))
    expect(outcome).toEqual({ ok: true, output: undefined })
    expect(heard.all).toEqual([10, 'first', { percent: 50, message: 'half way' }, 'second', { done: true }, 'third'])
    expect(heard.log).toMatchObject([
      { level: 'info', data: { n: 1 } },
      { level: 'error', data: { name: 'TypeError', message: 'odd' } },
      { level: 'debug', data: expect.stringContaining('function') },
    ])
  })

  test('a handler that computes leaves the event loop of this process free', async () => {
    const isolation = isolated()
    await isolation.run(callOf(mode, 'where'))
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const outcome = await isolation.run(callOf(mode, 'busy', { input: 800 }))
    delay.disable()
    expect(outcome).toEqual({ ok: true, output: true })
    expect(delay.max / 1e6).toBeLessThan(400)
  })

  test('errors and what a handler asks for cross over', async () => {
    const isolation = isolated()
    expect(await isolation.run(callOf(mode, 'fails'))).toMatchObject({
      ok: false,
      error: {
        name: 'Error',
        message: 'no such photo',
        code: 'ENOPHOTO',
        stack: expect.stringContaining('jobs.ts'),
        cause: { message: 'disk' },
      },
    })
    expect(await isolation.run(callOf(mode, 'gone'))).toMatchObject({
      ok: false,
      control: { kind: 'abort', error: { message: 'the user is gone' } },
    })
    expect(await isolation.run(callOf(mode, 'later'))).toMatchObject({
      ok: false,
      control: { kind: 'retry-after', delay: 30_000 },
    })
    expect(await isolation.run(callOf(mode, 'not-yet'))).toEqual({
      ok: false,
      control: { kind: 'snooze', delay: 600_000, reason: 'not there yet' },
    })
    expect(await isolation.run(callOf(mode, 'unstorable'))).toMatchObject({
      ok: false,
      error: { code: 'LW_VALUE_UNSTORABLE' },
    })
  })

  test('what cannot cross is refused by name', async () => {
    const outcome = await isolated().run(callOf(mode, 'wants-step'))
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: 'LW_ISOLATE_UNAVAILABLE', message: expect.stringMatching(/"wants-step" used step/) },
    })
  })

  test('a module that cannot be used says why', async () => {
    const isolation = isolated()
    const broken = new URL('./broken.ts', import.meta.url).href
    expect(await isolation.run(callOf(mode, 'add', { module: broken }))).toMatchObject({
      ok: false,
      error: {
        code: 'LW_ISOLATE_MODULE',
        message: expect.stringContaining(
          'broken.ts of isolated job "add" cannot be loaded: cannot reach the licence server',
        ),
        cause: { message: 'cannot reach the licence server', stack: expect.stringContaining('broken.ts') },
      },
    })
    const missing = new URL('./missing.ts', import.meta.url).href
    expect(await isolation.run(callOf(mode, 'add', { module: missing }))).toMatchObject({
      error: { code: 'LW_ISOLATE_MODULE', cause: { code: 'ERR_MODULE_NOT_FOUND' } },
    })
    expect(await isolation.run(callOf(mode, 'ad'))).toMatchObject({
      error: {
        code: 'LW_ISOLATE_MODULE',
        message: expect.stringMatching(/does not export job "ad".*jobs among them: .*"add"/),
      },
    })
    expect(await isolation.run(callOf(mode, 'contract'))).toMatchObject({
      error: { code: 'LW_ISOLATE_MODULE', message: expect.stringContaining('without a handler') },
    })
    expect(await isolation.run(callOf(mode, 'where'))).toMatchObject({ ok: true })
  })

  test('one thread or process serves one run after the other', async () => {
    const isolation = isolated()
    const outcomes = await Promise.all([1, 2, 3].map(() => isolation.run(callOf(mode, 'count'))))
    expect(outcomes.map((outcome) => outcome.ok && outcome.output)).toEqual([1, 2, 3])
  })
})

import { describe, expect, test } from 'vitest'
import { LegworkError } from '../../../src/core/errors.ts'
import { callOf, isolated, listening, modes, runs } from './support.ts'

describe.each(modes)('in a %s', (mode) => {
  test('an abort reaches the signal of the handler, with its reason', async () => {
    const heard = listening()
    const controller = new AbortController()
    const running = isolated().run(callOf(mode, 'polite', { ...heard.handlers, signal: controller.signal }))
    await heard.first
    controller.abort(new LegworkError('LW_JOB_CANCELLED', 'The job was cancelled by Ann.'))
    expect(await running).toMatchObject({
      ok: false,
      error: {
        name: 'LegworkError',
        code: 'LW_JOB_CANCELLED',
        message: 'The job was cancelled by Ann. [LW_JOB_CANCELLED]',
      },
    })
  })

  test.each(['busy', 'stubborn', 'asleep'])('a handler that ignores the abort is ended: %s', async (job) => {
    const isolation = isolated()
    const heard = listening()
    const controller = new AbortController()
    const running = isolation.run(callOf(mode, job, { ...heard.handlers, signal: controller.signal, killAfter: 100 }))
    await heard.first
    const start = performance.now()
    controller.abort(new LegworkError('LW_JOB_TIMEOUT', 'The attempt took longer than 1 s.'))
    expect(await running).toMatchObject({
      ok: false,
      killed: 'timeout-or-cancel',
      error: {
        code: 'LW_JOB_TIMEOUT',
        message: expect.stringContaining(`within 100 ms, so its ${mode} was ended`),
      },
    })
    expect(performance.now() - start).toBeLessThan(1_500)
    expect(await isolation.run(callOf(mode, 'where'))).toMatchObject({ ok: true })
  })

  test('a run whose signal aborts while it waits for a place never starts', async () => {
    const isolation = isolated()
    const heard = listening()
    const first = new AbortController()
    const second = new AbortController()
    const running = isolation.run(callOf(mode, 'polite', { ...heard.handlers, signal: first.signal }))
    await heard.first
    const waiting = isolation.run(callOf(mode, 'count', { signal: second.signal }))
    second.abort()
    expect(await waiting).toMatchObject({
      killed: 'timeout-or-cancel',
      error: { message: expect.stringContaining('was not started') },
    })
    expect(await isolation.run(callOf(mode, 'count', { signal: second.signal }))).toMatchObject({
      killed: 'timeout-or-cancel',
    })
    first.abort()
    expect(await running).toMatchObject({ ok: false, error: { name: 'AbortError' } })
  })

  test('going over the memory cap ends only that run', async () => {
    const isolation = isolated({ maxThreads: 2, maxProcesses: 2 })
    const heard = listening()
    const controller = new AbortController()
    const other = isolation.run(callOf(mode, 'polite', { ...heard.handlers, signal: controller.signal }))
    await heard.first
    const hoard = await isolation.run(callOf(mode, 'hoard', { memory: 48 * 2 ** 20 }))
    expect(hoard).toMatchObject({
      ok: false,
      killed: 'memory',
      error: { code: 'LW_ISOLATE_MEMORY', message: expect.stringContaining('(48 MB)') },
    })
    expect(await isolation.run(callOf(mode, 'where', { memory: 48 * 2 ** 20 }))).toMatchObject({ ok: true })
    controller.abort(new Error('enough'))
    expect(await other).toMatchObject({ ok: false, error: { message: 'enough' } })
  })

  test.each([0, 3])('a handler that exits with code %i is a crash', async (code) => {
    const isolation = isolated()
    const heard = listening()
    const outcome = await isolation.run(callOf(mode, 'exit', { ...heard.handlers, input: code }))
    expect(outcome).toMatchObject({
      ok: false,
      killed: 'crash',
      error: { code: 'LW_ISOLATE_CRASHED', message: expect.stringContaining(`exited with code ${code} before`) },
    })
    expect(heard.progress).toEqual(['leaving'])
    expect(await isolation.run(callOf(mode, 'where'))).toMatchObject({ ok: true })
  })

  test('an error nobody catches is a crash with that cause', async () => {
    expect(await isolated().run(callOf(mode, 'stray'))).toMatchObject({
      killed: 'crash',
      error: { cause: { name: 'RangeError', message: 'nobody caught me' } },
    })
  })

  test('a memory cap too small to start with does not hang', async () => {
    const outcome = await isolated().run(callOf(mode, 'where', { memory: 2 ** 20 }))
    expect(outcome).toMatchObject({ ok: false, killed: 'memory' })
  })
})

test.runIf(process.platform !== 'win32')('a process that dies of a signal is a crash', async () => {
  const isolation = isolated()
  expect(await isolation.run(callOf('process', 'segfault'))).toMatchObject({
    killed: 'crash',
    error: { message: expect.stringContaining('was ended by SIGSEGV') },
  })
  expect(await isolation.run(callOf('process', 'where'))).toMatchObject({ ok: true })
})

test('a process that closes its channel is a crash', async () => {
  expect(await isolated().run(callOf('process', 'hang-up'))).toMatchObject({ killed: 'crash' })
})

test.runIf(process.platform !== 'win32')('what a handler started ends with its process', async () => {
  const heard = listening()
  const controller = new AbortController()
  const running = isolated().run(
    callOf('process', 'parent', { ...heard.handlers, signal: controller.signal, killAfter: 0 }),
  )
  const [pid, grandchild] = (await heard.first) as [number, number]
  expect(runs(grandchild)).toBe(true)
  controller.abort()
  await running
  expect(runs(pid)).toBe(false)
  await expect.poll(() => runs(grandchild)).toBe(false)
})

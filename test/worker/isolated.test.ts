import { expect, test } from 'vitest'
import { schedule } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { crashes, endless, inProcess, inThread, refuses, scheduled } from './isolated-jobs.ts'

test('a thread and a process run handlers, with parsed input, progress, logs and results', async () => {
  const { engine } = await testEngine({ jobs: [inThread, inProcess] })
  const refs = [
    await engine.enqueue(inThread, { at: '2026-01-01' }),
    await engine.enqueue(inProcess, { at: '2026-01-01' }),
  ]
  const [thread, child] = await Promise.all(refs.map((ref) => ref.result()))
  expect(thread).toEqual({ at: '2026-01-01T00:00:00.000Z', pid: process.pid, thread: true })
  expect(child).toMatchObject({ at: '2026-01-01T00:00:00.000Z', thread: false })
  expect(child?.pid).not.toBe(process.pid)
  const lines: unknown[] = []
  for await (const event of refs[0]?.events() ?? []) {
    if (event.type === 'progress') lines.push(event.value)
    if (event.type === 'log') lines.push([event.level, event.message, event.data])
  }
  expect(lines).toEqual([{ percent: 50, message: 'half way' }, ['info', 'from elsewhere', { thread: true }]])
}, 60_000)

test('a schedule tells an isolated handler its instant', async () => {
  const hourly = schedule('hourly', { cron: '0 * * * *', job: scheduled })
  const { engine, advance, drain } = await testEngine({
    jobs: [scheduled],
    schedules: [hourly],
    start: new Date('2026-06-01T11:30:00Z'),
  })
  await advance('30m')
  await drain()
  const [fired] = await engine.schedules.history('hourly')
  expect(await engine.ref(fired?.job ?? '').result()).toEqual({
    hours: 12,
    from: '2026-06-01T11:00:00.000Z',
    isCatchUp: false,
  })
}, 60_000)

test('an endless loop ends at its timeout, by force', async () => {
  const { engine, advance, drain } = await testEngine({ jobs: [endless], work: { grace: '50ms' } })
  const ref = await engine.enqueue(endless)
  for await (const event of ref.events()) if (event.type === 'progress') break
  await advance('30s')
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_JOB_TIMEOUT' } })
}, 60_000)

test('what a handler throws or dies of elsewhere ends its job here', async () => {
  const { engine, drain } = await testEngine({ jobs: [refuses, crashes] })
  const [refused, crashed] = [await engine.enqueue(refuses), await engine.enqueue(crashes)]
  await drain()
  expect(await refused.status()).toMatchObject({
    state: 'dead',
    reason: 'aborted',
    error: { name: 'Abort', message: 'not today', cause: { name: 'TypeError', message: 'inner' } },
  })
  expect(await crashed.status()).toMatchObject({ state: 'dead', error: { code: 'LW_ISOLATE_CRASHED' }, crashes: 0 })
}, 60_000)

import { describe, expect, test } from 'vitest'
import { type JobRef, schedule } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'
import { isolatedProcess, isolatedThread } from './isolated-lock-jobs.ts'

const modes = [
  ['thread', isolatedThread],
  ['process', isolatedProcess],
] as const

describe.each(modes)(
  'in a %s',
  (mode, its) => {
    const jobs = Object.values(its)

    test('the lock is that of all others: it is waited for, its token grows, and the result comes out', async () => {
      const { engine } = await testEngine({ jobs })
      const door = gate()
      let old = 0n
      const held = engine.lock('ledger', ({ token }) => {
        old = token
        return door.opened
      })
      const ref = await engine.enqueue(its.takes)
      await expect.poll(() => engine.locks(), slow).toMatchObject([{ waiting: 1 }])
      const next = engine.lock('ledger', ({ token }) => token)
      await expect.poll(() => engine.locks()).toMatchObject([{ waiting: 2 }])
      door.open()
      await held
      const { name, token, pid } = await ref.result()
      expect(name).toBe('ledger')
      expect([BigInt(token) > old, (await next) > BigInt(token)]).toEqual([true, true])
      expect(pid === process.pid).toBe(mode === 'thread')
      expect(await engine.locks()).toEqual([])
    })

    test('what the work throws comes out as it is, and frees the lock', async () => {
      const { engine, drain } = await testEngine({ jobs })
      const ref = await engine.enqueue(its.fails)
      await drain()
      expect((await ref.status()).error).toMatchObject({ name: 'Error', message: 'no ink', code: 'ENOINK' })
      expect(await engine.locks()).toEqual([])
    })

    test('a wait ends with the same errors as beside the engine', async () => {
      const { engine, drain } = await testEngine({ jobs })
      const door = gate()
      const held = engine.lock('ledger', () => door.opened)
      await expect.poll(() => engine.locks()).toHaveLength(1)
      const beside = await engine.lock('ledger', { timeout: 0 }, () => 'mine').catch((error: unknown) => error)
      const inputs = [{ timeout: 0 }, { abort: true }, { lease: 1 }]
      const refs = await engine.enqueueMany(its.waits, inputs)
      await drain()
      const [timedOut, left, wrong] = await Promise.all(refs.map((ref) => ref.result()))
      const { code, message, hint, details } = beside as Record<string, unknown>
      expect(timedOut).toEqual({ code, message, hint, details })
      expect(left).toMatchObject({ code: 'LW_WAIT_ABORTED', details: { name: 'ledger' }, cause: 'never mind' })
      expect(wrong).toMatchObject({ code: 'LW_OPTION_INVALID', details: { option: 'lease' } })
      expect(await engine.locks()).toMatchObject([{ waiting: 0 }])
      door.open()
      await held
    })

    test('the cancel of the job ends its wait', async () => {
      const { engine, drain } = await testEngine({ jobs })
      const door = gate()
      const held = engine.lock('ledger', () => door.opened)
      await expect.poll(() => engine.locks()).toHaveLength(1)
      const ref = await engine.enqueue(its.patient)
      await expect.poll(() => engine.locks(), slow).toMatchObject([{ waiting: 1 }])
      await ref.cancel()
      await drain()
      expect(await ref.status()).toMatchObject({ state: 'cancelled' })
      expect(await engine.locks()).toMatchObject([{ waiting: 0 }])
      door.open()
      await held
    })

    test('a lock that is lost aborts the signal of the work, and is what lock throws', async () => {
      const { engine, advance, drain, database } = await testEngine({ jobs })
      const ref = await engine.enqueue(its.keeps)
      await progressOf(ref)
      await database.query(`update legwork.lock set who = 'somebody else'`)
      await advance('3s')
      await drain()
      expect(await ref.result()).toEqual({
        seen: expect.objectContaining({ code: 'LW_LOCK_LOST', details: { name: 'ledger', token: expect.any(String) } }),
        isSame: true,
      })
    })

    test('it is kept for as long as the work takes, and the cancel of the job aborts it', async () => {
      const { engine, advance, drain } = await testEngine({ jobs })
      const ref = await engine.enqueue(its.keeps)
      await progressOf(ref)
      const next = engine.lock('ledger', () => 'next')
      await advance('10m')
      expect(await engine.locks()).toMatchObject([{ waiting: 1 }])
      await ref.cancel()
      expect(await next).toBe('next')
      await drain()
      expect(await ref.result()).toMatchObject({ seen: { code: 'LW_JOB_CANCELLED' }, isSame: true })
    })

    test('one that dies under the lock leaves it to the next at once', async () => {
      const { engine, drain } = await testEngine({ jobs })
      const door = gate()
      const held = engine.lock('ledger', () => door.opened)
      const ref = await engine.enqueue(its.exits)
      await expect.poll(() => engine.locks(), slow).toMatchObject([{ waiting: 1 }])
      const next = engine.lock('ledger', () => 'next')
      await expect.poll(() => engine.locks()).toMatchObject([{ waiting: 2 }])
      door.open()
      await held
      expect(await next).toBe('next')
      await drain()
      expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_ISOLATE_CRASHED' } })
    })

    test('one that never ends is ended at its timeout, and the lock goes to the next', async () => {
      const { engine, advance, drain } = await testEngine({ jobs, work: { grace: '50ms' } })
      const ref = await engine.enqueue(its.spins)
      await progressOf(ref)
      const next = engine.lock('ledger', () => 'next')
      await advance('30s')
      expect(await next).toBe('next')
      await drain()
      expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_JOB_TIMEOUT' } })
    })

    test('what a handler holds when it returns is freed, and nothing runs on in its place', async () => {
      const { engine, drain } = await testEngine({ jobs })
      for (const _ of ['first', 'second']) {
        const ref = await engine.enqueue(its.leaves)
        await drain()
        expect(await ref.result()).toBe(1)
        expect(await engine.locks()).toEqual([])
      }
    })

    test('it slows down its limits, and is refused like any other', async () => {
      const { engine, drain } = await testEngine({ jobs })
      const ref = await engine.enqueue(its.slows)
      await drain()
      expect(await ref.result()).toMatchObject({ code: 'LW_LIMIT_UNKNOWN' })
      const other = await engine.enqueue(its.slows)
      await drain()
      expect((await other.status()).state).toBe('blocked')
    })

    test('it learns of the last run of its schedule', async () => {
      const hourly = schedule('hourly', { cron: '0 * * * *', job: its.reports })
      const start = new Date('2026-06-01T11:30:00Z')
      const { engine, advance, drain } = await testEngine({ jobs, schedules: [hourly], start })
      for (const duration of ['30m', '1h'] as const) {
        await advance(duration)
        await drain()
      }
      const [second] = await engine.schedules.history('hourly')
      expect(await engine.ref(second?.job ?? '').result()).toEqual({
        nominal: '2026-06-01T12:00:00.000Z',
        isDate: true,
        result: 'first',
      })
    })
  },
  60_000,
)

test('a process that is killed under the lock leaves it to the next at once', async () => {
  const { engine, drain } = await testEngine({ jobs: Object.values(isolatedProcess) })
  const ref = await engine.enqueue(isolatedProcess.spins)
  const { pid } = (await progressOf(ref)) as { pid: number }
  const next = engine.lock('ledger', () => 'next')
  await expect.poll(() => engine.locks()).toMatchObject([{ waiting: 1 }])
  process.kill(pid, 'SIGKILL')
  expect(await next).toBe('next')
  await drain()
  expect(await ref.status()).toMatchObject({ state: 'dead', error: { code: 'LW_ISOLATE_CRASHED' } })
}, 60_000)

/** Starting a thread or process takes its time. */
const slow = { timeout: 20_000 }

/** What the handler tells first. */
async function progressOf(ref: JobRef): Promise<unknown> {
  for await (const event of ref.events()) if (event.type === 'progress') return event.value
  return undefined
}

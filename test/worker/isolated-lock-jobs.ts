import { type HeldLock, job, LegworkError, type LockOptions } from '../../src/index.ts'

const module = import.meta.url

export const isolatedThread = jobsIn('thread')
export const isolatedProcess = jobsIn('process')

/** The same jobs in a thread and in a process. */
function jobsIn(isolate: 'thread' | 'process') {
  const named = (name: string) => [`${isolate}.${name}`, { module, isolate, retry: false }] as const
  return {
    takes: job(...named('takes'), ({ lock, progress }) =>
      lock('ledger', ({ name, token }) => {
        progress('held')
        return { name, token: String(token), pid: process.pid }
      }),
    ),
    fails: job(...named('fails'), ({ lock }) =>
      lock('ledger', () => {
        throw Object.assign(new Error('no ink'), { code: 'ENOINK' })
      }),
    ),
    /** What a call of lock throws that waits like this: at most so long, or until its own signal aborts. */
    waits: job(...named('waits'), async ({ lock, input }) => {
      const { abort, ...options } = input as LockOptions & { abort?: boolean }
      const signal = abort === true ? AbortSignal.abort(new Error('never mind')) : undefined
      return told(await lock('ledger', { ...options, ...(signal && { signal }) }, () => 'mine').catch(own))
    }),
    patient: job(...named('patient'), ({ lock }) => lock('ledger', () => 'mine')),
    /** Keeps the lock until its signal aborts, and tells what it saw. */
    keeps: job(...named('keeps'), async ({ lock, progress }) => {
      let seen: unknown
      const thrown = await lock('ledger', async ({ signal }) => {
        progress('held')
        seen = await aborted(signal)
        throw seen
      }).catch(own)
      return { seen: told(seen), isSame: thrown === seen }
    }),
    exits: job(...named('exits'), ({ lock }) => lock('ledger', () => process.exit(3))),
    spins: job(`${isolate}.spins`, { module, isolate, retry: false, timeout: '30s' }, ({ lock, progress }) =>
      lock('ledger', () => {
        progress({ pid: process.pid })
        for (;;);
      }),
    ),
    /** Returns while it still has the lock, and counts its runs in this thread or process. */
    leaves: job(...named('leaves'), async ({ lock }) => {
      await new Promise<void>((held) => {
        void lock('ledger', () => {
          held()
          return new Promise(() => undefined)
        })
      })
      return ++runs
    }),
    slows: job(`${isolate}.slows`, { module, isolate, limit: '100/1s', retry: false }, async ({ slowDown }) => {
      await slowDown({ for: '1m' })
      return told(await slowDown({ for: '1m', limit: 'nobody' }).catch(own))
    }),
    reports: job(...named('reports'), async ({ schedule }) => {
      const last = await schedule?.lastSuccess()
      return last
        ? { nominal: last.nominal.toISOString(), isDate: last.at instanceof Date, result: last.result }
        : 'first'
    }),
  }
}

let runs = 0

function aborted(signal: HeldLock['signal']): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
}

const own = (error: unknown) => error

function told(value: unknown) {
  if (!(value instanceof LegworkError)) return value
  const { code, message, hint, details, cause } = value
  return { code, message, hint, details, cause: cause instanceof Error ? cause.message : undefined }
}

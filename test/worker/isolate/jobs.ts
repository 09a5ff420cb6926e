import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread, threadId } from 'node:worker_threads'
import { z } from 'zod'
import { job } from '../../../src/core/definition.ts'
import { Abort, RetryAfter, Snooze } from '../../../src/core/outcome.ts'

const module = import.meta.url

export const add = job('add', { module, input: z.object({ at: z.coerce.date(), days: z.number() }) }, ({ input }) => ({
  isDate: input.at instanceof Date,
  at: new Date(input.at.getTime() + input.days * 86_400_000),
}))

export const where = job('where', { module }, () => ({ pid: process.pid, thread: threadId, main: isMainThread }))

export const facts = job('facts', { module }, ({ id, attempt, tags, enqueuedAt, key }) => ({
  id,
  attempt,
  tags,
  key: key ?? 'none',
  year: enqueuedAt.getUTCFullYear(),
}))

export const talk = job('talk', { module }, ({ progress, log }) => {
  progress(10)
  log.info('first', { n: 1 })
  progress(50, 'half way')
  log.error('second', new TypeError('odd'))
  progress({ done: true })
  log.debug('third', () => 'not JSON')
})

export const polite = job('polite', { module }, async ({ progress, signal }) => {
  progress('started')
  const reason: unknown = await new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
  throw reason
})

export const busy = job('busy', { module }, ({ progress, input }) => {
  progress(process.pid)
  const end = typeof input === 'number' ? Date.now() + input : Number.POSITIVE_INFINITY
  let turns = 0
  while (Date.now() < end) turns += 1
  return turns > 0
})

export const stubborn = job('stubborn', { module }, async ({ progress }) => {
  process.on('SIGTERM', () => progress('no'))
  progress(process.pid)
  await delay(600_000)
})

export const asleep = job('asleep', { module }, ({ progress }) => {
  progress('started')
  // Native code that waits cannot be interrupted, in a thread not even by ending it.
  writeSync(1, '')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})

export const hoard = job('hoard', { module }, () => {
  const kept: number[][] = []
  for (;;) kept.push(Array.from({ length: 10_000 }, Math.random))
})

export const exit = job('exit', { module }, ({ input, progress }) => {
  progress('leaving')
  process.exit(Number(input))
})

export const segfault = job('segfault', { module }, () => {
  process.kill(process.pid, 'SIGSEGV')
  return new Promise(() => {})
})

export const stray = job('stray', { module }, () => {
  void Promise.reject(new RangeError('nobody caught me'))
  return new Promise(() => {})
})

export const hangUp = job('hang-up', { module }, () => {
  process.disconnect()
  return new Promise(() => {})
})

export const parent = job('parent', { module }, async ({ progress }) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  progress([process.pid, child.pid ?? 0])
  await new Promise(() => {})
})

export const fails = job('fails', { module }, () => {
  throw Object.assign(new Error('no such photo', { cause: new Error('disk') }), { code: 'ENOPHOTO' })
})

export const gone = job('gone', { module }, () => {
  throw new Abort('the user is gone')
})

const later = job('later', { module }, () => {
  throw new RetryAfter('30s', 'provider down')
})
const notYet = job('not-yet', { module }, () => {
  throw new Snooze('10m', 'not there yet')
})
export const grouped = { later }
export const listed = [notYet]

export const wantsStep = job('wants-step', { module }, (context) => {
  const { step } = context as unknown as { step: () => void }
  step()
})

export const unstorable = job('unstorable', { module }, () => ({ big: 10n }))

export const contract = job('contract', { module })

export const prints = job('prints', { module }, () => {
  process.stdout.write('printed to stdout\n')
  process.stderr.write('printed to stderr\n')
})

export const environment = job('environment', { module }, () => process.env['LEGWORK_ISOLATE_TEST'])

let calls = 0
export const count = job('count', { module }, () => (calls += 1))

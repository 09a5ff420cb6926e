import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, type JobOptions } from '../../src/core/definition.ts'
import { parseSize } from '../../src/core/size.ts'

test('a definition is frozen data, and handle gives a new one', () => {
  const contract = job('mail.send', { input: z.object({ to: z.string() }), tags: ['mail'] })
  const mail = contract.handle(() => 'sent')
  expect(contract.handler).toBeUndefined()
  expect(mail).toMatchObject({ name: 'mail.send', queue: 'default', priority: 0, tags: ['mail'], crashes: 5 })
  expect([contract, mail, mail.tags, mail.retry].every((each) => Object.isFrozen(each))).toBe(true)
})

type Options = JobOptions<undefined, undefined>

test.each<[Options, string]>([
  [{ queue: '' }, 'queue must be text of 1 to 200 characters'],
  [{ timeout: -1 }, 'timeout must be a duration'],
  [{ priority: 101 }, 'priority must be'],
  [{ priority: 1.5 }, 'priority must be'],
  [{ priority: 'toString' as 'low' }, 'priority must be'],
  [{ crashes: 0 }, 'crashes must be a whole number from 1 to 1000; received 0'],
  [{ drift: 'ignore' as 'allow' }, "drift must be 'allow' or 'error'; received \"ignore\""],
  [{ isolate: 'worker' as 'thread' }, "isolate must be 'thread' or 'process'; received \"worker\""],
  [{ isolate: 'thread' }, 'module of the isolated job "x" must be import.meta.url'],
  [{ memory: '12tb' as '1mb' }, 'memory must be a size: bytes, or text like \'256mb\'; received "12tb"'],
  [{ retry: { attempts: 0 } }, 'retry.attempts must be'],
  [{ tags: ['ok', 7 as unknown as string] }, 'tags'],
  [{ key: 'id' as unknown as () => string }, 'key'],
])('%o is refused', (options, message) => {
  expect(() => job('x', options)).toThrow(message)
})

test.each(['', ' x', 'x'.repeat(201), 7, undefined])('the name %o is refused', (name) => {
  expect(() => job(name as string)).toThrow(
    /Option name must be text of 1 to 200 characters without spaces at the ends/,
  )
})

test('a name with a NUL is refused here, not by the database', () => {
  expect(() => job('a\0b')).toThrow(/Option name must be/)
})

test('sizes', () => {
  expect([parseSize(10, 'memory'), parseSize('1.5kb', 'memory'), parseSize('2gb', 'memory')]).toEqual([
    10,
    1536,
    2 ** 31,
  ])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, type KeyFailure } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

const retry = { attempts: 3, backoff: 'fixed', first: '10s' } as const

/** failures: how many attempts fail. */
const script = z.object({ n: z.number(), key: z.string(), failures: z.number() })
type Script = z.infer<typeof script>

/** A job of each policy, and what ran: `name key n`, in order. */
function scripted(): { jobs: Record<KeyFailure, ReturnType<typeof make>>; ran: string[]; mended: Set<number> } {
  const ran: string[] = []
  const mended = new Set<number>()
  const make = (keyFailure: KeyFailure) =>
    job(
      `order.${keyFailure}`,
      { input: script, keyFailure, retry, key: ({ key }) => key },
      ({ input: { n, failures }, attempt, key }) => {
        ran.push(`${key} ${n}`)
        if (attempt <= failures && !mended.has(n)) throw new Error(`attempt ${attempt} of ${n} failed`)
      },
    )
  return { jobs: { skip: make('skip'), block: make('block'), park: make('park') }, ran, mended }
}

const table: readonly (readonly [KeyFailure, string, readonly number[], readonly number[]])[] = [
  ['skip', 'keeps its place for retries', [1, 0, 0], [0, 0, 1, 2]],
  ['skip', 'lets the next one go when it is dead', [9, 0, 0], [0, 0, 0, 1, 2]],
  ['block', 'keeps its place for retries', [1, 0, 0], [0, 0, 1, 2]],
  ['block', 'lets nothing of the key run when it is dead', [9, 0, 0], [0, 0, 0]],
  ['block', 'blocks in the middle too', [0, 9, 0], [0, 1, 1, 1]],
  ['park', 'goes to the end of the line for each retry', [1, 0, 0], [0, 1, 2, 0]],
  ['park', 'also when several fail', [2, 1, 0], [0, 1, 2, 0, 1, 0]],
  ['park', 'lets the others go when it is dead', [9, 0], [0, 1, 0, 0]],
]
test.each(table)('%s: the head of a key %s', async (policy, _, failures, expected) => {
  const { jobs, ran } = scripted()
  const { engine, advance } = await testEngine({ jobs: Object.values(jobs) })
  const other = failures.length
  await engine.enqueueMany(jobs[policy], [
    ...failures.map((n, place) => ({ n: place, key: 'a', failures: n })),
    { n: other, key: 'b', failures: 0 },
  ])
  await advance('2m')
  expect(ran.filter((line) => line.startsWith('a'))).toEqual(expected.map((n) => `a ${n}`))
  expect(ran).toContain(`b ${other}`)
})

test('park: one whose retry is due at once still goes behind those that wait', async () => {
  const ran: number[] = []
  const again = { attempts: 3, backoff: 'fixed', first: 0 } as const
  const once = job('once', { key: () => 'a', keyFailure: 'park', retry: again }, ({ input, attempt }) => {
    ran.push(Number(input))
    if (input === 0 && attempt < 3) throw new Error('not yet')
  })
  const { engine, drain } = await testEngine({ jobs: [once] })
  await engine.enqueueMany(once, [0, 1, 2])
  await drain()
  expect(ran).toEqual([0, 1, 2, 0, 0])
})

test('a blocked key is listed, says why, and goes on with the job that failed when it is retried', async () => {
  const { jobs, ran, mended } = scripted()
  const { engine, advance, clock } = await testEngine({ jobs: Object.values(jobs) })
  const inputs = [9, 0, 0].map((failures, n) => ({ n, key: 'a', failures }))
  const [first, second] = await engine.enqueueMany(jobs.block, inputs)
  await advance('1m')
  const [blocked] = await engine.keys.blocked()
  expect(blocked).toMatchObject({ name: 'order.block', key: 'a', job: first!.id, waiting: 2 })
  expect(blocked!.since.getTime()).toBeLessThan(clock.now())
  expect(await engine.keys.blocked(jobs.skip)).toEqual([])
  expect(await second!.status()).toMatchObject({
    state: 'blocked',
    waitsFor: `job ${first!.id} has failed and blocks the key "a" until it is retried or the key is unblocked`,
  })
  const late = await engine.enqueue(jobs.block, { n: 3, key: 'a', failures: 0 })
  await advance('10s')
  expect((await late.status()).state).toBe('blocked')
  mended.add(0)
  await first!.retry()
  await advance('1m')
  expect(ran).toEqual(['a 0', 'a 0', 'a 0', 'a 0', 'a 1', 'a 2', 'a 3'])
  expect(await engine.keys.blocked()).toEqual([])
})

test('unblock leaves the failed job dead and lets the next one go', async () => {
  const { jobs, ran } = scripted()
  const { engine, advance } = await testEngine({ jobs: Object.values(jobs) })
  const inputs = [9, 9, 0].map((failures, n) => ({ n, key: 'a', failures }))
  const refs = await engine.enqueueMany(jobs.block, inputs)
  await advance('1m')
  expect(await engine.keys.unblock(jobs.block, 'b')).toBe(false)
  expect(await engine.keys.unblock(jobs.skip, 'a')).toBe(false)
  expect(await engine.keys.unblock('order.block', 'a', { by: 'ada' })).toBe(true)
  expect(await engine.keys.unblock('order.block', 'a')).toBe(false)
  await advance('1m')
  expect(await engine.keys.blocked()).toMatchObject([{ job: refs[1]!.id, waiting: 1 }])
  await engine.keys.unblock(jobs.block, 'a')
  await advance('1m')
  expect(ran.at(-1)).toBe('a 2')
  expect(await Promise.all(refs.map(async (ref) => (await ref.status()).state))).toEqual(['dead', 'dead', 'completed'])
})

test('plain SQL unblocks a key as the engine does, and who did it is kept', async () => {
  const { jobs, ran } = scripted()
  const { engine, database, advance } = await testEngine({ jobs: Object.values(jobs) })
  const unblock = async (key: string) =>
    (await database.query(`select legwork.unblock_key('order.block', '${key}', 'ada') as done`))[0]?.['done']
  const [first] = await engine.enqueueMany(
    jobs.block,
    [9, 0, 0].map((failures, n) => ({ n, key: 'a', failures })),
  )
  const [alone] = await engine.enqueueMany(jobs.block, [{ n: 0, key: 'b', failures: 9 }])
  await advance('1m')
  expect(await unblock('c')).toBe(false)
  expect(await unblock('a')).toBe(true)
  expect(await unblock('a')).toBe(false)
  expect(await unblock('b')).toBe(true)
  await advance('1s')
  expect(ran.slice(-2)).toEqual(['a 1', 'a 2'])
  expect(await engine.keys.blocked()).toEqual([])
  expect(await database.query('select * from legwork.key_holder')).toEqual([])
  expect(await engine.keys.history('order.block', 'a')).toMatchObject([
    { version: 1, by: 'ada', from: { blocked: true, job: first!.id }, to: { blocked: false } },
  ])
  expect(await engine.keys.history(jobs.block, 'b')).toMatchObject([{ from: { job: alone!.id } }])
  const counts = (await engine.queues()).find(({ name }) => name === 'default')?.counts
  expect(counts).toMatchObject({ blocked: 0, ready: 0, dead: 2, completed: 2 })
})

test('a job that is retried and then cancelled lets the key go', async () => {
  const { jobs, ran } = scripted()
  const { engine, advance } = await testEngine({ jobs: Object.values(jobs) })
  const [first] = await engine.enqueueMany(
    jobs.block,
    [9, 0].map((failures, n) => ({ n, key: 'a', failures })),
  )
  await advance('1m')
  await engine.pause('default')
  await first!.retry()
  await first!.cancel()
  await engine.resume('default')
  await advance('1m')
  expect(ran.at(-1)).toBe('a 1')
  expect(await engine.keys.blocked()).toEqual([])
})

test('one that kills its workers blocks its key as well', async () => {
  const door = gate()
  const killer = job('killer', { key: () => 'a', keyFailure: 'block', crashes: 1 }, () => door.opened)
  const world = await testEngine({ jobs: [killer] })
  const [first, second] = await world.engine.enqueueMany(killer, [1, 2])
  await world.advance('1s')
  const next = await crashAndReplace(world)
  expect(await next.engine.ref(first!.id).status()).toMatchObject({ state: 'dead', reason: 'poisoned' })
  expect(await next.engine.keys.blocked(killer)).toMatchObject([{ job: first!.id }])
  expect((await next.engine.ref(second!.id).status()).attempt).toBe(0)
  door.open()
})

test('refuses an unknown policy', () => {
  expect(() => job('a', { keyFailure: 'stop' as never })).toThrow(/'skip', 'block' or 'park'/)
})

/** What runs of one key, by the rules of the documents. All are there from the beginning, and retries are due together. */
function expectedRun(policy: KeyFailure, jobs: readonly Script[]): { ran: number[]; blocker: number | undefined } {
  const ran: number[] = []
  let line = jobs.map((each) => ({ ...each, attempt: 0 }))
  while (line.length > 0) {
    const behind: typeof line = []
    for (const head of line) {
      const most = policy === 'park' ? head.attempt + 1 : retry.attempts
      for (const next = Math.min(most, head.failures + 1); head.attempt < next; head.attempt++) ran.push(head.n)
      if (head.attempt > head.failures) continue
      if (policy === 'park' && head.attempt < retry.attempts) behind.push(head)
      if (policy === 'block') return { ran, blocker: head.n }
    }
    line = behind
  }
  return { ran, blocker: undefined }
}

test('property: the order of every key is that of its policy', { timeout: 120_000 }, async () => {
  const { jobs, ran } = scripted()
  // time waits for handlers, however slow the machine: retries that fail together are due together
  const { engine, advance, drain } = await testEngine({
    jobs: Object.values(jobs),
    work: { concurrency: 4 },
    patience: 5_000,
  })
  let world = 0
  const policies = fc.constantFrom<KeyFailure>('skip', 'block', 'park')
  const scripts = fc.array(
    fc.record({ key: fc.integer({ min: 0, max: 2 }), failures: fc.integer({ min: 0, max: 4 }) }),
    {
      minLength: 1,
      maxLength: 9,
    },
  )
  const holds = async (policy: KeyFailure, given: readonly { key: number; failures: number }[]): Promise<void> => {
    ran.length = 0
    world++ // each run has keys of its own
    const own = given.map(({ key, failures }, n) => ({ n, key: `w${world}-${key}`, failures }))
    const refs = await engine.enqueueMany(jobs[policy], own)
    await drain()
    await advance('5m')
    for (const key of new Set(own.map((input) => input.key))) {
      const { ran: expected, blocker } = expectedRun(
        policy,
        own.filter((input) => input.key === key),
      )
      expect(ran.filter((line) => line.startsWith(`${key} `))).toEqual(expected.map((n) => `${key} ${n}`))
      const listed = (await engine.keys.blocked()).filter((each) => each.key === key)
      expect(listed.map((each) => each.job)).toEqual(blocker === undefined ? [] : [refs[blocker]!.id])
    }
  }
  await fc.assert(fc.asyncProperty(policies, scripts, holds), { numRuns: 15 })
})

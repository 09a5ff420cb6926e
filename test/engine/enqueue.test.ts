import { expect, test } from 'vitest'
import { z } from 'zod'
import { type EnqueueOptions, type JobDefinition, job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const photo = job('photo.thumbnails', { input: z.object({ photo: z.string(), widths: z.array(z.number().int()) }) })
const plain = job('plain')

async function countJobs({ database }: { database: { query<R>(sql: string): Promise<R[]> } }): Promise<number> {
  const [row] = await database.query<{ n: number }>('select count(*)::int as n from legwork.jobs')
  return row?.n ?? 0
}

test('input that does not fit is refused with path, rule and value, and nothing is stored', async () => {
  const world = await testEngine({ jobs: [photo], work: false })
  const bad = { photo: 'a.jpg', widths: [320, 1.5] }
  const error = await failureOf(world.engine.enqueue(photo, bad))
  expect(error.code).toBe('LW_INPUT_INVALID')
  expect(error.message).toMatch(
    /^Input of job "photo\.thumbnails" is invalid: \$\.widths\[1\]: .*int.* \(got 1\.5\)\. Nothing was enqueued\./i,
  )
  expect(await failureOf(world.engine.enqueueMany(photo, [{ photo: 'ok', widths: [] }, bad]))).toMatchObject({
    code: 'LW_INPUT_INVALID',
  })
  expect(await countJobs(world)).toBe(0)
})

test('what cannot be stored is refused with its path', async () => {
  const world = await testEngine({ jobs: [plain], work: false })
  const round: Record<string, unknown> = {}
  round['self'] = round
  for (const [value, path] of [
    [{ fn: () => 1 }, '$.fn'],
    [{ n: [1n] }, '$.n[0]'],
    [round, '$.self'],
    [{ text: 'a\0b' }, '$.text'],
    ['\ud800', '$'],
  ] as const) {
    const error = await failureOf(world.engine.enqueue(plain, value))
    expect(error).toMatchObject({ code: 'LW_VALUE_UNSTORABLE', details: { path } })
  }
  expect(await countJobs(world)).toBe(0)
})

test('every option is checked: the error names option, rule and value', async () => {
  const world = await testEngine({ jobs: [plain], work: false })
  const bad: [EnqueueOptions, string][] = [
    [{ delay: '5 minutes' as '5m' }, 'Option delay must be a duration'],
    [{ at: new Date(NaN) }, 'Option at must be a valid Date; received'],
    [{ at: new Date(), delay: '1s' }, 'Option at must be left out when delay is given'],
    [{ priority: 'highest' as 'high' }, "Option priority must be 'urgent'"],
    [{ key: '' }, 'Option key must be text of 1 to 500 characters; received ""'],
    [{ key: 'a\0' }, 'Option key must be text'],
    [{ key: '\ud800' }, 'Option key must be text'],
    [{ unique: 'x'.repeat(501) }, 'Option unique must be text of 1 to 500 characters'],
    [{ queue: 7 as unknown as string }, 'Option queue must be text'],
    [{ tags: [''] }, 'Option tags must be text'],
    [{ headers: { tenant: 7 as unknown as string } }, 'Option headers must be an object whose values are text'],
    [{ traceparent: '00-zz' }, 'Option traceparent must be a W3C traceparent; received "00-zz"'],
    [{ retry: { attempts: 0 } }, 'Option retry.attempts must be'],
    [{ timeout: -1 }, 'Option timeout must be a duration'],
    [{ tx: {} }, 'tx'],
  ]
  for (const [options, message] of bad) {
    const error = await failureOf(world.engine.enqueue(plain, null, options))
    expect(error.message).toContain(message)
  }
  expect(await countJobs(world)).toBe(0)
})

test('a name nobody knows suggests the nearest', async () => {
  const world = await testEngine({ jobs: [photo, plain], work: false })
  expect(await failureOf(world.engine.enqueue('photo.thumbnail', {}))).toMatchObject({
    code: 'LW_JOB_UNKNOWN',
    message: expect.stringContaining('Did you mean "photo.thumbnails"?'),
  })
  expect((await failureOf(world.engine.enqueue('quite.different', {}))).message).toContain(
    'Known: photo.thumbnails, plain.',
  )
  const ref = await world.engine.enqueue('plain', 1)
  expect(await ref.status()).toMatchObject({ name: 'plain', input: 1, state: 'ready' })
})

test('ten thousand and more in one call, all or none', async () => {
  const world = await testEngine({ jobs: [plain], work: false })
  const inputs = Array.from({ length: 10_500 }, (_, n) => n)
  const refs = await world.engine.enqueueMany(plain, inputs)
  expect(new Set(refs.map((ref) => ref.id)).size).toBe(10_500)
  expect(await countJobs(world)).toBe(10_500)
  expect(await refs[10_400]?.status()).toMatchObject({ input: 10_400 })
  const spoilt = (n: unknown): EnqueueOptions => (n === 10_400 ? { headers: { bad: '\ud800' } } : {})
  await failureOf(world.engine.enqueueMany(plain, inputs, spoilt))
  expect(await countJobs(world)).toBe(10_500)
  expect(await world.engine.enqueueMany(plain, [])).toEqual([])
})

test('delay and at: not before their time', async () => {
  const start = new Date('2026-03-01T00:00:00Z')
  const ran: string[] = []
  const note = job('note', {}, ({ input }) => void ran.push(String(input)))
  const { engine, advance } = await testEngine({ jobs: [note], start })
  await engine.enqueue(note, 'in 5m', { delay: '5m' })
  const at = await engine.enqueue(note, 'at 00:03', { at: new Date('2026-03-01T00:03:00Z') })
  await engine.enqueue(note, 'long ago', { at: new Date('2020-01-01') })
  expect(await at.status()).toMatchObject({ state: 'scheduled', runAt: new Date('2026-03-01T00:03:00Z') })
  await advance('179s')
  expect(ran).toEqual(['long ago'])
  await advance('1s')
  expect(ran).toEqual(['long ago', 'at 00:03'])
  await advance('2m')
  expect(ran).toEqual(['long ago', 'at 00:03', 'in 5m'])
})

test('the more urgent goes first, equals in the order they came', async () => {
  const ran: unknown[] = []
  const note = job('note', { priority: 'low' }, ({ input, priority }) => void ran.push([input, priority]))
  const { engine, drain } = await testEngine({ jobs: [note], work: false })
  await engine.enqueue(note, 'low 1')
  await engine.enqueue(note, 'high 1', { priority: 'high' })
  await engine.enqueue(note, '-100', { priority: -100 })
  await engine.enqueue(note, 'low 2')
  await engine.enqueue(note, 'normal', { priority: 'normal' })
  await engine.enqueue(note, 'high 2', { priority: 'high' })
  await engine.work({ concurrency: 1, stopOnSignal: false })
  await drain()
  expect(ran).toEqual([
    ['-100', -100],
    ['high 1', -10],
    ['high 2', -10],
    ['normal', 0],
    ['low 1', 10],
    ['low 2', 10],
  ])
})

test('while one is unfinished, a second one with the same unique text is not made', async () => {
  const note = job('note', {}, () => 'done')
  const other = job('other', {}, () => 'done')
  const { engine, drain } = await testEngine({ jobs: [note, other], work: false })
  const [first, same] = [await engine.enqueue(note, 1, { unique: 'a' }), await engine.enqueue(note, 2, { unique: 'a' })]
  expect([first.created, same.created, same.id]).toEqual([true, false, first.id])
  expect((await engine.enqueue(other, 1, { unique: 'a' })).created).toBe(true)
  expect((await engine.enqueue(note, 1, { unique: 'b' })).created).toBe(true)
  const many = await engine.enqueueMany(note, [1, 2, 3], (n) => ({ unique: n === 3 ? 'a' : 'c' }))
  expect(many.map((ref) => ref.created)).toEqual([true, false, false])
  expect([many[1]?.id, many[2]?.id]).toEqual([many[0]?.id, first.id])
  await engine.work({ stopOnSignal: false })
  await drain()
  expect((await engine.enqueue(note, 3, { unique: 'a' })).created).toBe(true)
})

test('headers, tags, trace context, key and queue arrive at the handler', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const show = job('show', { tags: ['own'], key: (input) => `k${String(input)}` }, (context) => {
    const { key, queue, tags, headers, traceparent: trace, priority, attempts, idempotencyKey } = context
    return { key, queue, tags, headers, trace, priority, attempts, idempotencyKey }
  })
  const { engine } = await testEngine({ jobs: [show] })
  const options = { headers: { tenant: 'acme' }, tags: ['more', 'own'], traceparent, queue: 'side', retry: 3 }
  const ref = await engine.enqueue(show, 7, options)
  expect(await ref.result()).toEqual({
    key: 'k7',
    queue: 'side',
    tags: ['own', 'more'],
    headers: { tenant: 'acme' },
    trace: traceparent,
    priority: 0,
    attempts: 3,
    idempotencyKey: expect.stringMatching(new RegExp(`^[0-9a-f-]{36}-${ref.id}$`)),
  })
  expect(await ref.status()).toMatchObject({ key: 'k7', queue: 'side', traceparent, headers: { tenant: 'acme' } })
})

test('null and nothing are different inputs', async () => {
  const kind = job('kind', {}, ({ input }) => (input === undefined ? 'nothing' : JSON.stringify(input)))
  const { engine } = await testEngine({ jobs: [kind] })
  const refs = [await engine.enqueue(kind), await engine.enqueue(kind, null), await engine.enqueue(kind, [null])]
  expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual(['nothing', 'null', '[null]'])
})

test('a contract without a handler can be enqueued and waits for a process that has one', async () => {
  const { engine, drain } = await testEngine({ jobs: [photo as JobDefinition] })
  const ref = await engine.enqueue(photo, { photo: 'a', widths: [] })
  await drain()
  expect((await ref.status()).state).toBe('ready')
  const queues = await engine.queues()
  expect(queues.find(({ name }) => name === 'default')?.counts.ready).toBe(1)
})

test('a closed engine says so', async () => {
  const { engine } = await testEngine({ jobs: [plain] })
  await engine.close()
  const calls = [engine.enqueue(plain), engine.enqueueMany(plain, [1]), engine.list(), engine.queues(), engine.work()]
  const settled = await Promise.allSettled(calls)
  expect(settled).toEqual(
    calls.map(() => ({ status: 'rejected', reason: expect.objectContaining({ code: 'LW_CLOSED' }) })),
  )
})

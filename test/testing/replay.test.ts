import { expect, test } from 'vitest'
import { z } from 'zod'
import { type AnyJob, job, type JobHistory } from '../../src/index.ts'
import { createTestEngine, replayHistory } from '../../src/testing/index.ts'
import { freshDatabase } from '../support/database.ts'
import { optionOf, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const page = job('page', { output: z.object({ words: z.number() }) }, ({ input }) => ({ words: Number(input) }))
const sad = job('sad', { retry: false }, () => Promise.reject(new Error('no')))

test('a job that uses all there is is the same when it is run again, and no step runs', async () => {
  const ran: string[] = []
  const options = { input: z.object({ at: z.coerce.date() }), signals: { paid: z.object({ at: z.coerce.date() }) } }
  const order = job('order', options, async (it) => {
    const { input, step, run, runAll } = it
    await step(`from ${input.at.getFullYear()}`, () => ran.push('from'))
    await step.tx('written', (tx) => tx.query('select 1 as one'), { undo: () => ran.push('undo') })
    for (const key of [1, 2]) await step(['item', key], () => ran.push('item'), { undo: page.with(key) })
    const error = await failureOf(step('fails', () => Promise.reject(new Error('declined')), { retry: false }))
    await step(`after ${error.message.includes('declined')}`, () => ran.push('after'))
    await Promise.race([it.sleep('30d', 'loses'), step('wins', () => ran.push('wins'))])
    await it.sleep('2d')
    const paid = await it.waitFor('paid', { timeout: '1h' })
    await step(`paid ${paid?.at.getFullYear()}`, () => ran.push('paid'))
    const late = await it.waitFor('paid', { timeout: '1h' })
    await step(`late ${late === undefined}`, () => ran.push('late'))
    const one = await run(page, 5)
    const all = await runAll(page, [1, 2, 3])
    const settled = await runAll(sad, [1, 2], { settle: true, name: 'sad ones' })
    await runAll(page, [], { name: 'none' })
    const names = [one, ...all].map(({ words }) => words).join()
    await step(`words ${names} ${settled.map(({ state }) => state).join()}`, () => ran.push('words'))
    await it.commit()
    await step(`at ${(await it.now()).getTime()} ${await it.random()} ${await it.uuid()}`, () => ran.push('last'))
  })
  const { engine, advance, checkReplays } = await testEngine({ jobs: [order, page, sad] })
  const ref = await engine.enqueue(order, { at: new Date('2026-05-05') })
  await ref.signal('paid', { at: '2025-01-01' })
  await advance('3d')
  await ref.result()
  const before = [...ran]
  await checkReplays()
  const history = JSON.parse(JSON.stringify(await ref.history())) as JobHistory
  await replayHistory(order, history)
  expect(ran).toEqual(before)
  expect(history).toMatchObject({ format: 1, job: { name: 'order', state: 'completed' } })
  expect(history.steps.map(({ name }) => name)).toContain('words 5,1,2,3 dead,dead')
})

let counter = 0
let answer = 'first'
const flows: readonly [string, AnyJob, string][] = [
  ['chance', job('order', {}, ({ step }) => step(`${Math.random()}`, () => 1)), 'asks for "0.'],
  [
    'a counter outside',
    job('order', {}, async ({ step }) => {
      await step('one', () => 1)
      if (counter++ === 0) await step('two', () => 2)
    }),
    'does not ask for "two", a step, which it asked for before',
  ],
  [
    'another kind',
    job('order', {}, async ({ step, sleep }) => {
      if (counter++ === 0) await step('pause', () => 1)
      else await sleep(0, 'pause').catch(() => undefined)
    }),
    'asks for "pause", a sleep, and it was a step before',
  ],
  [
    'what a variable holds',
    job('order', {}, async ({ step }) => {
      await step(answer, () => (answer = 'second'))
    }),
    'asks for "second", a step, which it did not ask for before; it asked for "first", a step before',
  ],
  [
    'an error that comes from outside',
    job('order', {}, async ({ step }) => {
      await step('one', () => 1)
      if (counter++ > 0) throw new Error('gone')
    }),
    'throws Error: gone',
  ],
]

test.each(flows)('the test fails when the flow depends on %s', async (_what, order, message) => {
  counter = 0
  answer = 'first'
  const { engine, drain, close } = await createTestEngine({
    jobs: [order],
    database: optionOf(await freshDatabase()),
  })
  const ref = await engine.enqueue(order)
  await drain()
  expect((await ref.status()).state).toBe('completed')
  const error = await failureOf(close())
  expect(error).toMatchObject({ code: 'LW_REPLAY_DIFFERS', details: { job: ref.id } })
  expect(error.message).toContain(`Job ${ref.id} (order), run again, ${message}`)
})

test('with replay: false nothing is run again, nor are jobs without steps', async () => {
  let runs = 0
  const order = job('order', {}, ({ step }) => step(`run ${++runs}`, () => 1))
  const plain = job('plain', {}, () => ++runs)
  const { engine, drain, checkReplays, another } = await testEngine({ jobs: [plain] })
  await engine.enqueue(plain)
  await drain()
  await checkReplays()
  expect(runs).toBe(1)
  await engine.close()
  const other = await another({ jobs: [order], replay: false })
  await other.engine.enqueue(order)
  await other.drain()
  await checkReplays()
  expect(runs).toBe(2)
})

test('middleware is run again too: it may give handlers what they need', async () => {
  const seen: string[] = []
  const order = job('order', {}, ({ step }) => step(seen.at(-1) ?? 'none', () => 1))
  const use = [
    async (_context: unknown, next: () => Promise<unknown>) => {
      seen.push('set by middleware')
      return next()
    },
  ]
  const { engine, drain, checkReplays } = await testEngine({ jobs: [order], use })
  await engine.enqueue(order)
  await drain()
  seen.length = 0
  await checkReplays()
  expect(seen).toEqual(['set by middleware'])
})

const before = job('order', { input: z.object({ vip: z.boolean() }) }, async ({ step, sleep, waitFor }) => {
  await step('one', () => 1)
  await step('two', () => 2)
  await sleep('30d')
  await waitFor('go')
})

/** What a waiting job has come to, as it is read from a file. */
async function exported(): Promise<JobHistory> {
  const { engine, drain } = await testEngine({ jobs: [before] })
  const ref = await engine.enqueue(before, { vip: true })
  await drain()
  return JSON.parse(JSON.stringify(await ref.history())) as JobHistory
}

test('the history of a job that waits is checked against new code', async () => {
  const history = await exported()
  expect(history.job).toMatchObject({ state: 'waiting', attempt: 0, input: { vip: true } })
  expect(history.steps).toEqual([
    { name: 'one', kind: 'step', state: 'done', failures: 0, output: 1, ended: 1 },
    { name: 'two', kind: 'step', state: 'done', failures: 0, output: 2, ended: 2 },
    { name: 'sleep', kind: 'sleep', state: 'waiting', failures: 0 },
  ])
  await replayHistory(before, history)
  const more = before.handle(async ({ step, sleep, attempt }) => {
    expect(attempt).toBe(1)
    await Promise.all([step('one', () => 0), step('two', () => 0), sleep('30d'), step('new', () => 0)])
  })
  await replayHistory(more, history)
  const shorter = before.handle(async ({ step }) => void (await step('one', () => 0)))
  await expect(replayHistory(shorter, history)).rejects.toThrow(
    /order\), run again, does not ask for "two", a step, which it asked for before\..*LW_REPLAY_DIFFERS/,
  )
  const renamed = before.handle(async ({ step }) => {
    await step('one', () => 0)
    await step('2', () => 0)
  })
  await expect(replayHistory(renamed, history)).rejects.toThrow(
    /asks for "2", a step, which it did not ask for before; it asked for "two", a step before/,
  )
  const other = before.handle(async ({ step, sleep }) => {
    await step('one', () => 0)
    await sleep(1, 'two').catch(() => undefined)
  })
  await expect(replayHistory(other, history)).rejects.toThrow(/asks for "two", a sleep, and it was a step before/)
})

test('what is no history of such a job is refused, and an input that the schema does not take any more', async () => {
  const history = await exported()
  const refused = (definition: AnyJob, given: unknown) => failureOf(replayHistory(definition, given as JobHistory))
  expect(await refused(before, null)).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await refused(before, {})).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(
    await refused(
      job('other', {}, () => 1),
      history,
    ),
  ).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await refused(job('order'), history)).toMatchObject({ code: 'LW_OPTION_INVALID' })
  const stricter = job('order', { input: z.object({ vip: z.boolean(), name: z.string() }) }, () => 1)
  expect(await refused(stricter, history)).toMatchObject({ code: 'LW_INPUT_INVALID' })
})

test('there is no history of a job that does not exist', async () => {
  const { engine } = await testEngine({ jobs: [before] })
  await expect(engine.ref('25600').history()).rejects.toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

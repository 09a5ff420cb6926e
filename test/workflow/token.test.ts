import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { job, legwork } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing/index.ts'
import { freshDatabase } from '../support/database.ts'
import { optionOf, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const secret = 'a secret of at least 32 characters'

const approval = job(
  'approval',
  { signals: { approved: z.object({ by: z.string() }), note: z.string() } },
  async ({ waitFor }) => {
    const answer = await waitFor('approved', { timeout: '1h' })
    return answer ? `by ${answer.by}` : 'nobody'
  },
)

/** Takes whatever comes on one topic, until nothing has come for a minute. */
const collect = job('collect', {}, async ({ waitFor }) => {
  const got: unknown[] = []
  for (;;) {
    const next = await waitFor('item', { timeout: '1m' })
    if (next === undefined) return got
    got.push(next)
  }
})

test('whoever has a token sends that signal to that job, and wakes it', async () => {
  const { engine, drain, advance } = await testEngine({ jobs: [approval], secret })
  const ref = await engine.enqueue(approval)
  const token = await engine.signalToken(ref, 'approved', { expiresIn: '2d' })
  expect(token).toMatch(/^[\w-]+\.[\w-]+$/)
  await advance('1m')
  expect((await ref.status()).state).toBe('waiting')
  await engine.signalWithToken(token, { by: 'Ada' })
  await drain()
  expect(await ref.result()).toBe('by Ada')
})

test('a token works once, unless it is made for more', async () => {
  const { engine, advance } = await testEngine({ jobs: [collect], secret })
  const ref = await engine.enqueue(collect)
  const single = await engine.signalToken(ref.id, 'item')
  const another = await engine.signalToken(ref.id, 'item', { once: true })
  const often = await engine.signalToken(ref, 'item', { once: false })
  await engine.signalWithToken(single, 1)
  expect(await failureOf(engine.signalWithToken(single, 2))).toMatchObject({ code: 'LW_TOKEN_USED' })
  await engine.signalWithToken(another, 3)
  for (const n of [4, 5]) await engine.signalWithToken(often, n)
  await advance('5m')
  expect(await ref.result()).toEqual([1, 3, 4, 5])
  expect(await failureOf(engine.signalWithToken(single, 6))).toMatchObject({ code: 'LW_TOKEN_USED' })
  expect(await failureOf(engine.signalWithToken(often, 6))).toMatchObject({ code: 'LW_JOB_STATE' })
})

test('of many who use a token at once, one sends', async () => {
  const { engine, advance } = await testEngine({ jobs: [collect], secret })
  const refs = await engine.enqueueMany(collect, [undefined, undefined])
  for (const ref of refs) {
    const token = await engine.signalToken(ref, 'item')
    const uses = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => engine.signalWithToken(token, n)))
    const refused = uses.flatMap((use) => (use.status === 'rejected' ? [use.reason as { code: string }] : []))
    expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 11 }, () => 'LW_TOKEN_USED'))
  }
  await advance('5m')
  for (const ref of refs) expect(await ref.result()).toHaveLength(1)
})

test('an expired token sends nothing', async () => {
  const { engine, advance, database } = await testEngine({ jobs: [approval], secret, work: false })
  const ref = await engine.enqueue(approval)
  const token = await engine.signalToken(ref, 'approved', { expiresIn: '2d' })
  await advance('2d')
  const failure = await failureOf(engine.signalWithToken(token, { by: 'Ada' }))
  expect(failure).toMatchObject({ code: 'LW_TOKEN_EXPIRED', details: { job: ref.id, topic: 'approved' } })
  expect(await database.query('select 1 from legwork.signal')).toEqual([])
})

test('a token that was changed, or made with another secret or for another database, is refused', async () => {
  const { engine, database } = await testEngine({ jobs: [approval], secret, work: false })
  const ref = await engine.enqueue(approval)
  const two = await engine.enqueue(approval)
  const token = await engine.signalToken(ref, 'approved')
  const [body, mac] = token.split('.') as [string, string]
  const [, ...rest] = JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown[]
  const forged = Buffer.from(JSON.stringify([two.id, ...rest])).toString('base64url')
  const foreign: string[] = []
  for (const other of [secret, 'another secret of 32 characters, too']) {
    const world = await testEngine({ jobs: [approval], secret: other, work: false })
    if (other === secret) await world.database.query('update legwork.installation set id = gen_random_uuid()')
    const same = await world.engine.enqueue(approval)
    expect(same.id).toBe(ref.id)
    foreign.push(await world.engine.signalToken(same, 'approved'))
  }
  const bad = [`${forged}.${mac}`, `${body}.`, body, '', 'x.y', `${mac}.${body}`, ...foreign, undefined as never]
  for (const one of bad)
    expect(await failureOf(engine.signalWithToken(one, { by: 'Eve' })), one).toMatchObject({ code: 'LW_TOKEN_INVALID' })
  expect(await database.query('select 1 from legwork.signal')).toEqual([])
})

test('data that does not fit does not use the token up', async () => {
  const { engine, drain } = await testEngine({ jobs: [approval], secret })
  const ref = await engine.enqueue(approval)
  const token = await engine.signalToken(ref.id, 'approved')
  expect(await failureOf(engine.signalWithToken(token, { by: 7 }))).toMatchObject({ code: 'LW_INPUT_INVALID' })
  await engine.signalWithToken(token, { by: 'Ada' })
  await drain()
  expect(await ref.result()).toBe('by Ada')
})

test('a handler gets the same token in every run, also after a crash', async () => {
  const seen: string[] = []
  const ask = job('ask', { signals: { answer: z.string() } }, async ({ signalToken, step, waitFor }) => {
    const token = await signalToken('answer', { expiresIn: '2d' })
    const other = await signalToken('answer')
    seen.push(token)
    await step('mail', () => ({ token }))
    return [await waitFor('answer'), token === other]
  })
  const one = await testEngine({ jobs: [ask], secret })
  const { id } = await one.engine.enqueue(ask)
  await one.advance('5s')
  await one.crash()
  const two = await one.another()
  await two.advance('15s')
  const ref = two.engine.ref(id)
  expect((await ref.steps()).map(({ name }) => name)).toEqual(['mail'])
  const { token } = (await ref.steps())[0]!.output as { token: string }
  await two.engine.signalWithToken(token, 'yes')
  await two.drain()
  expect(await ref.result()).toEqual(['yes', false])
  expect(seen.length).toBeGreaterThan(1)
  expect(new Set(seen)).toEqual(new Set([token]))
})

test('what makes no token says why', async () => {
  const { engine } = await testEngine({ jobs: [approval], secret, work: false })
  const ref = await engine.enqueue(approval)
  const failures = [
    () => engine.signalToken(ref, 'aproved'),
    () => engine.signalToken(ref.id, ''),
    () => engine.signalToken('x', 'approved'),
    () => engine.signalToken(ref, 'approved', { expiresIn: 0 }),
    () => engine.signalToken(ref, 'approved', { expiresIn: 'soon' as never }),
    () => engine.signalToken(ref, 'approved', { once: 'yes' as never }),
  ]
  for (const fail of failures) expect(await failureOf(fail())).toMatchObject({ code: 'LW_OPTION_INVALID' })
  const gone = await engine.signalToken('25600', 'approved')
  expect(await failureOf(engine.signalWithToken(gone, { by: 'Ada' }))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

test('without a secret there are no tokens, and a short one is refused without being shown', async () => {
  const { engine } = await testEngine({ jobs: [approval], work: false })
  const ref = await engine.enqueue(approval)
  const failure = await failureOf(engine.signalToken(ref, 'approved'))
  expect(failure).toMatchObject({ code: 'LW_OPTION_INVALID', details: { option: 'secret' } })
  expect(failure.message).toContain('LEGWORK_SECRET')
  const short = await failureOf(legwork({ jobs: [approval], secret: 'tiny secret' }))
  expect(short).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(short.message).toContain('received 11 characters')
  expect(short.message).not.toContain('tiny')
})

test('the secret may stand in the environment', async () => {
  process.env['LEGWORK_SECRET'] = secret
  onTestFinished(() => void delete process.env['LEGWORK_SECRET'])
  const database = await freshDatabase()
  const world = await createTestEngine({ jobs: [approval], database: optionOf(database), work: false })
  onTestFinished(() => world.close())
  const ref = await world.engine.enqueue(approval)
  await world.engine.signalWithToken(await world.engine.signalToken(ref, 'approved'), { by: 'Ada' })
  expect(await database.query('select topic from legwork.signal')).toEqual([{ topic: 'approved' }])
})

test('used tokens are forgotten a day after they have expired, not sooner', async () => {
  const { engine, advance, database } = await testEngine({ jobs: [approval], secret, work: false })
  const ref = await engine.enqueue(approval)
  for (const expiresIn of ['1h', '2h'] as const)
    await engine.signalWithToken(await engine.signalToken(ref, 'note', { expiresIn }), expiresIn)
  const left = () =>
    database.query('select (expires_at > legwork.now() - interval $$1 day$$) as fresh from legwork.used_token')
  expect(await left()).toHaveLength(2)
  await advance('25h')
  await advance('30m')
  await engine.work({ stopOnSignal: false })
  await advance('10s')
  expect(await left()).toEqual([{ fresh: true }])
})

import { expect, onTestFinished, test } from 'vitest'
import { job, schedule } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const token = 'a-token-that-nobody-guesses'
const report = job('report', {}, () => 'done')
const nightly = schedule('nightly report', { cron: '0 2 * * *', job: report })
const url = 'https://shop.example/legwork/schedules/nightly%20report/trigger'

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly body: Record<string, unknown>
}

/** At noon, far from the hour at which the schedule fires by itself. */
async function world(given: { token?: string } = { token }) {
  const start = new Date(new Date().setUTCHours(12, 0, 0, 0))
  const made = await testEngine({ jobs: [report], schedules: [nightly], start, ...given })
  const ask = async (to: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string> | undefined) }
    const response = await made.engine.fetch(new Request(to, { method: 'POST', ...init, headers }))
    const body = (await response.json()) as Record<string, unknown>
    return { status: response.status, type: response.headers.get('content-type'), body }
  }
  const count = async () => (await made.engine.list({ name: 'report' })).jobs.length
  return { ...made, ask, count }
}

test('an instant in the body or the query fires once, under any prefix, and asked again it says which job it was', async () => {
  const { ask, count } = await world()
  const body = JSON.stringify({ at: '2026-11-28T02:00Z' })
  const first = await ask(url, { body })
  expect(first).toMatchObject({
    status: 201,
    body: { schedule: 'nightly report', fired: 'now', at: '2026-11-28T02:00:00.000Z' },
  })
  expect(await ask(url, { body })).toMatchObject({ status: 200, body: { job: first.body['job'], fired: 'before' } })
  const short = 'http://localhost/schedules/nightly%20report/trigger?at=2026-11-28T03:00%2B01:00'
  expect(await ask(short)).toMatchObject({ status: 200, body: { job: first.body['job'] } })
  expect(await count()).toBe(1)
})

test('without an instant each call runs it, but calls with one Idempotency-Key are one call', async () => {
  const { ask, count, advance } = await world()
  expect((await ask(url)).status).toBe(201)
  await advance('1s')
  expect((await ask(url)).status).toBe(201)
  await advance('1s')
  const headers = { 'idempotency-key': 'event 17' }
  const first = await ask(url, { headers })
  await advance('1h')
  const again = await ask(url, { headers })
  expect([first.status, again.status]).toEqual([201, 200])
  expect(again.body['job']).toBe(first.body['job'])
  expect(await count()).toBe(3)
})

test('a key that is used for another instant is refused, and one that is older than seven days is free', async () => {
  const { ask, advance } = await world()
  const headers = { 'idempotency-key': 'monday' }
  expect((await ask(`${url}?at=2026-11-23T02:00Z`, { headers })).status).toBe(201)
  const other = await ask(`${url}?at=2026-11-24T02:00Z`, { headers })
  expect(other).toMatchObject({
    status: 422,
    type: 'application/problem+json',
    body: { code: 'LW_IDEMPOTENCY_MISMATCH' },
  })
  await advance('8d')
  expect((await ask(`${url}?at=2026-11-24T02:00Z`, { headers })).status).toBe(201)
})

test('ten calls at once with one key run it once', async () => {
  const { ask, count } = await world()
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => ask(url, { headers: { 'idempotency-key': 'stampede' } })),
  )
  expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
  expect(answers.every(({ status }) => status < 300)).toBe(true)
  expect(new Set(answers.map(({ body }) => body['job'])).size).toBe(1)
  expect(await count()).toBe(1)
})

test('without a token of the engine the door is closed, and the answer says how to open it', async () => {
  const environment = process.env['LEGWORK_TOKEN']
  delete process.env['LEGWORK_TOKEN']
  onTestFinished(() => {
    if (environment !== undefined) process.env['LEGWORK_TOKEN'] = environment
  })
  const { ask, count } = await world({})
  const answer = await ask(url)
  expect(answer).toMatchObject({ status: 403, type: 'application/problem+json' })
  expect(answer.body['hint']).toContain('LEGWORK_TOKEN')
  expect(await count()).toBe(0)
})

test('a paused schedule is not run by others', async () => {
  const { ask, engine, count } = await world()
  await engine.schedules.pause('nightly report', { reason: 'the printer burns' })
  expect(await ask(url)).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('the printer burns') as string },
  })
  expect(await count()).toBe(0)
})

test.each([
  ['no token', url, { headers: { authorization: '' } }, 401, 'no token'],
  ['a wrong token', url, { headers: { authorization: 'Bearer ofgoodnews' } }, 401, 'not the right one'],
  ['another path', 'http://x/jobs', {}, 404, 'POST /schedules/:id/trigger'],
  ['another method', url, { method: 'GET' }, 405, 'POST'],
  ['another schedule', 'http://x/schedules/nihgtly/trigger', {}, 404, 'There is no schedule'],
  ['a body that is no JSON', url, { body: 'now' }, 400, 'not JSON'],
  ['an instant that is none', url, { body: '{"at":"tonight"}' }, 400, '2026-11-28T02:00Z'],
  ['an instant without an offset', `${url}?at=2026-11-28T02:00`, {}, 400, 'offset'],
  ['two instants', `${url}?at=2026-11-28T02:00Z`, { body: '{"at":"2026-11-28T03:00Z"}' }, 400, 'different'],
  ['a body without end', url, { body: `"${'x'.repeat(70_000)}"` }, 413, '65536'],
])('%s is refused as a problem', async (_, to, init, status, reason) => {
  const { ask, count } = await world()
  const answer = await ask(to, init)
  expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status } })
  expect(JSON.stringify(answer.body)).toContain(reason)
  expect(await count()).toBe(0)
})

test.each(['short', 'long enough but with spaces'])('the token %j is refused at the start', async (given) => {
  await expect(world({ token: given })).rejects.toMatchObject({ code: 'LW_OPTION_INVALID' })
})

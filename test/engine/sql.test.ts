import { expect, test } from 'vitest'
import { z } from 'zod'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const show = job('show', { queue: 'screens', priority: 'high' }, (context) => {
  const { input, queue, priority, key, tags, headers, traceparent } = context
  return { input: input === undefined ? 'nothing' : input, queue, priority, key, tags, headers, traceparent }
})

test('plain SQL adds a job, with the queue and priority of its definition', async () => {
  const { engine, database, drain } = await testEngine({ jobs: [show] })
  const [row] = await database.query<{ id: string }>(`select legwork.enqueue('show', '{"photo": "a.jpg"}') as id`)
  await drain()
  expect(await engine.ref(String(row?.id), show).result()).toEqual({
    input: { photo: 'a.jpg' },
    queue: 'screens',
    priority: -10,
    tags: [],
    headers: {},
  })
})

test('plain SQL has every option, by name', async () => {
  const { engine, database, clock, advance } = await testEngine({ jobs: [show] })
  const [row] = await database.query<{ id: string }>(
    `select legwork.enqueue(name => 'show', input => '[1]', queue => 'side', priority => 5, delay => interval '90 seconds',
       key => 'k', unique_key => 'u', tags => array['a', 'b'], headers => '{"tenant": "acme"}', trace => 't') as id`,
  )
  const ref = engine.ref(String(row?.id), show)
  expect(await ref.status()).toMatchObject({ state: 'scheduled', runAt: new Date(clock.now() + 90_000), unique: 'u' })
  const again = await database.query(`select legwork.enqueue('show', unique_key => 'u') as id`)
  expect(again).toEqual([{ id: ref.id }])
  await advance('90s')
  expect(await ref.result()).toEqual({
    input: [1],
    queue: 'side',
    priority: 5,
    key: 'k',
    tags: ['a', 'b'],
    headers: { tenant: 'acme' },
    traceparent: 't',
  })
})

test('plain SQL tells null from nothing', async () => {
  const { engine, database, drain } = await testEngine({ jobs: [show] })
  const rows = await database.query<{ id: string }>(
    `select legwork.enqueue('show', 'null') as id union all select legwork.enqueue('show') union all select legwork.enqueue('show', null)`,
  )
  await drain()
  const results = await Promise.all(rows.map(({ id }) => engine.ref(id, show).result()))
  expect(results.map(({ input }) => input)).toEqual([null, 'nothing', 'nothing'])
})

test('a name nobody has defined waits visibly in the default queue', async () => {
  const { engine, database, drain } = await testEngine({ jobs: [show] })
  const [row] = await database.query<{ id: string }>(`select legwork.enqueue('unheard.of', '1') as id`)
  await drain()
  expect(await engine.ref(String(row?.id)).status()).toMatchObject({ state: 'ready', queue: 'default', attempt: 0 })
})

test('input that was never checked makes the job dead without a retry', async () => {
  let runs = 0
  const strict = job('strict', { input: z.object({ to: z.string() }) }, () => void runs++)
  const { engine, database, drain } = await testEngine({ jobs: [strict] })
  const [row] = await database.query<{ id: string }>(`select legwork.enqueue('strict', '{"to": 7}') as id`)
  await drain()
  const found = await engine.ref(String(row?.id)).status()
  expect(found).toMatchObject({ state: 'dead', reason: 'invalid_input', attempt: 1 })
  expect(found.error).toMatchObject({ code: 'LW_INPUT_INVALID', message: expect.stringContaining('$.to') })
  expect(runs).toBe(0)
})

test('plain SQL refuses what cannot be a job', async () => {
  const { database } = await testEngine({ jobs: [], work: false })
  await expect(database.query(`select legwork.enqueue('')`)).rejects.toThrow(/name must not be empty/)
  await expect(database.query(`select legwork.enqueue(null)`)).rejects.toThrow(/name must not be empty/)
  expect(await database.query('select id from legwork.job')).toEqual([])
})

test('a trigger of the application enqueues with its transaction', async () => {
  const seen: unknown[] = []
  const welcome = job('welcome', {}, ({ input }) => void seen.push(input))
  const { database, drain } = await testEngine({ jobs: [welcome] })
  await database.query('create table public.member (name text)')
  await database.query(
    `create function public.greet() returns trigger language plpgsql as
       $$begin perform legwork.enqueue('welcome', to_jsonb(new.name)); return new; end$$`,
  )
  await database.query(
    'create trigger greet after insert on public.member for each row execute function public.greet()',
  )
  await database.query(`insert into public.member values ('ada'), ('grace')`)
  await drain()
  expect(new Set(seen)).toEqual(new Set(['ada', 'grace']))
})

import { expect, test } from 'vitest'
import { newJob, storeBenches } from '../support.ts'

const storeBench = storeBenches()

test('ids come in the order of the call and are all new', async () => {
  const { store } = await storeBench()
  const added = await store.enqueue([newJob(), newJob({ name: 'other' }), newJob()])
  expect(added.map((one) => one.created)).toEqual([true, true, true])
  const ids = added.map((one) => BigInt(one.id))
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)))
})

test('twenty thousand jobs go in with one call', async () => {
  const { store, database } = await storeBench()
  const added = await store.enqueue(Array.from({ length: 20_000 }, (_, n) => newJob({ input: `{"n":${n}}` })))
  expect(new Set(added.map((one) => one.id)).size).toBe(20_000)
  const [row] = await database.query<{ n: number; odd: number }>(
    `select count(*)::int as n, count(*) filter (where seq <> id >> 8)::int as odd from legwork.job`,
  )
  expect(row).toEqual({ n: 20_000, odd: 0 })
})

test('a job is stored the same whether it comes alone, with others, or in the transaction of its caller', async () => {
  const { store, database } = await storeBench()
  const at = new Date('2099-01-02T03:04:05.678Z')
  const kinds = [
    newJob(),
    newJob({ input: null }),
    newJob({ input: 'null' }),
    newJob({ input: '[{"a":"\\"\\\\"}]', priority: 7, queue: 'made-now' }),
    newJob({ name: 'other "name", {quoted}', key: 'k,{"1"}' }),
    newJob({ runAt: at, tags: ['a', 'b "c"'], headers: '{"h":"v"}' }),
    newJob({ delayMs: 3_600_000, trace: '00-1', options: '{"timeout":5}' }),
  ]
  const alone: string[] = []
  for (const job of kinds) alone.push((await store.enqueue([job]))[0]!.id)
  const together = (await store.enqueue(kinds)).map((one) => one.id)
  const inside = (await store.transaction((tx) => store.enqueue(kinds, tx))).map((one) => one.id)
  const stored = async (ids: readonly string[]) =>
    database.query(
      `select j.name, q.name as queue, j.slot, j.priority, j.state, j.input, j.input is null as blank, j.key, j.line = j.seq as own_line,
              case when j.run_at < '2090-01-01' then 'soon' else j.run_at::text end as run_at, j.tags, j.headers, j.trace, j.options, j.seq = j.id >> 8 as own_seq
         from legwork.job j join legwork.queue q on q.id = j.queue_id where j.id = any($1::bigint[]) order by array_position($1::bigint[], j.id)`,
      [ids],
    )
  const expected = await stored(alone)
  expect(expected).toHaveLength(kinds.length)
  expect(await stored(together)).toEqual(expected)
  expect(await stored(inside)).toEqual(expected)
})

test('a unique key holds while the job is unfinished, per name', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [first] = await enqueue({ unique: 'u' })
  const claimer = await worker()
  expect(await store.enqueue([newJob({ unique: 'u' })])).toEqual([{ id: first, created: false }])
  const [other] = await store.enqueue([newJob({ name: 'other', unique: 'u' })])
  expect(other?.created).toBe(true)
  const jobs = await claimer.claim()
  expect(await store.enqueue([newJob({ unique: 'u' })])).toEqual([{ id: first, created: false }])
  await claimer.giveBack(jobs, 'retry', 1_000)
  expect(await store.enqueue([newJob({ unique: 'u' })])).toEqual([{ id: first, created: false }])
  await store.redrive([first!])
  await claimer.end(await claimer.claim())
  const [next] = await store.enqueue([newJob({ unique: 'u' })])
  expect(next?.created).toBe(true)
})

test('the same unique key twice in one call makes one job', async () => {
  const { store } = await storeBench()
  const [first, second, third] = await store.enqueue([newJob({ unique: 'u' }), newJob(), newJob({ unique: 'u' })])
  expect(first?.created).toBe(true)
  expect(second?.created).toBe(true)
  expect(third).toEqual({ id: first?.id, created: false })
})

test('many callers at once with one unique key get one job', async () => {
  const { store } = await storeBench()
  const added = await Promise.all(Array.from({ length: 12 }, () => store.enqueue([newJob({ unique: 'u' })])))
  const all = added.flat()
  expect(new Set(all.map((one) => one.id)).size).toBe(1)
  expect(all.filter((one) => one.created)).toHaveLength(1)
})

test('nothing is stored when one of the jobs cannot be', async () => {
  const { store, states } = await storeBench()
  await expect(store.enqueue([newJob(), newJob({ priority: 99_999 })])).rejects.toThrow('out of range')
  expect(await states()).toEqual({})
})

test('plain SQL enqueues into the queue and priority of the definition', async () => {
  const { store, database } = await storeBench()
  await store.define([
    { name: 'photo', queue: 'media', priority: -10, inputSchema: null, outputSchema: null, needs: [] },
  ])
  const [row] = await database.query<{ id: string }>(
    `select legwork.enqueue('photo', '{"a":1}', tags => array['t'], headers => '{"h":"v"}', delay => '1 minute') as id`,
  )
  expect(await store.find(row!.id)).toMatchObject({
    name: 'photo',
    queue: 'media',
    priority: -10,
    input: { a: 1 },
    tags: ['t'],
    headers: { h: 'v' },
    state: 'scheduled',
  })
  await expect(database.query(`select legwork.enqueue('')`)).rejects.toThrow('name must not be empty')
})

test('a null inside an input from plain SQL is kept', async () => {
  const { store, database } = await storeBench()
  const [row] = await database.query<{ id: string }>(`select legwork.enqueue('photo', '{"a":null}') as id`)
  expect((await store.find(row!.id))?.input).toEqual({ a: null })
})

test('unchanged definitions are not written again, changed ones are', async () => {
  const { store, database, advance } = await storeBench()
  const row = {
    name: 'photo',
    queue: 'media',
    priority: 0,
    inputSchema: '{"type":"object"}',
    outputSchema: null,
    needs: [],
  }
  const seen = async () => {
    const [found] = await database.query<{ seen_at: Date; queue: string }>(
      'select seen_at, queue from legwork.definition',
    )
    return found
  }
  await store.define([row])
  const first = await seen()
  await advance(1_000)
  await store.define([row, { ...row, name: 'another' }])
  expect(await seen()).toEqual(first)
  await store.define([{ ...row, queue: 'slow' }])
  const [changed] = await database.query<{ queue: string }>(`select queue from legwork.definition where name = 'photo'`)
  expect(changed?.queue).toBe('slow')
})

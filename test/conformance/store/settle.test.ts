import { expect, test } from 'vitest'
import { endingOf, storeBenches } from '../support.ts'

const storeBench = storeBenches()

test('completed jobs move to history with their output', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id] = await enqueue({ input: '{"a":1}', tags: ['t'], unique: 'u' })
  const claimer = await worker()
  const jobs = await claimer.claim()
  expect(await claimer.end(jobs, 'completed', { output: '{"ok":true}' })).toEqual([id])
  const record = await store.find(id!)
  expect(record).toMatchObject({ state: 'completed', input: { a: 1 }, output: { ok: true }, tags: ['t'], unique: 'u' })
  expect(record).toMatchObject({ attempt: 1, claim: 1, worker: claimer.id, error: undefined })
  expect(record?.finishedAt).toBeInstanceOf(Date)
  expect(await store.attempts(id!)).toEqual([])
})

test('dead and cancelled jobs keep error and reason, and their last attempt', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [dead, cancelled] = await enqueue({}, {})
  const claimer = await worker()
  const jobs = await claimer.claim()
  const error = JSON.stringify({ name: 'Error', message: 'no' })
  await claimer.end(jobs.slice(0, 1), 'dead', { error, reason: 'attempts' })
  await claimer.end(jobs.slice(1), 'cancelled', { reason: 'enough' })
  expect(await store.find(dead!)).toMatchObject({ state: 'dead', reason: 'attempts', error: { message: 'no' } })
  expect(await store.find(cancelled!)).toMatchObject({ state: 'cancelled', reason: 'enough' })
  expect(await store.attempts(dead!)).toMatchObject([
    { attempt: 1, claim: 1, outcome: 'dead', error: { message: 'no' } },
  ])
  expect(await store.attempts(cancelled!)).toMatchObject([{ attempt: 1, claim: 1, outcome: 'cancelled' }])
  expect((await store.ended([dead!, cancelled!])).ended.map((row) => row.state).toSorted()).toEqual([
    'cancelled',
    'dead',
  ])
})

test('a retry counts the attempt and waits; snooze and release count none', async () => {
  const { store, enqueue, worker, advance } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  await claimer.giveBack(await claimer.claim(), 'retry', 1_000)
  expect(await store.find(id!)).toMatchObject({ state: 'scheduled', attempt: 1, worker: undefined })
  expect(await store.nextDue(0)).toBe(1_000)
  await advance(1_000)
  await store.stage(0, 10)
  await claimer.giveBack(await claimer.claim(), 'snooze', 0)
  expect(await store.find(id!)).toMatchObject({ state: 'ready', attempt: 1, claim: 2 })
  await claimer.giveBack(await claimer.claim(), 'released')
  expect(await store.find(id!)).toMatchObject({ state: 'ready', attempt: 1, claim: 3 })
  expect(await store.attempts(id!)).toMatchObject([
    { claim: 1, outcome: 'retry', delay: 1_000 },
    { claim: 2, outcome: 'snooze', delay: 0 },
    { claim: 3, outcome: 'released', delay: 0 },
  ])
})

test('what is given back goes to the end of the line', async () => {
  const { enqueue, worker } = await storeBench()
  const [first, second] = await enqueue({}, {})
  const claimer = await worker()
  await claimer.giveBack(await claimer.claim({ limit: 1 }), 'released')
  expect((await claimer.claim()).map((job) => job.id)).toEqual([second, first])
})

test('an outcome under an old claim changes nothing', async () => {
  const { store, enqueue, worker, stateOf } = await storeBench()
  const [id] = await enqueue({})
  const [slow, quick] = [await worker(), await worker()]
  const old = await slow.claim()
  await slow.giveBack(old, 'released')
  const current = await quick.claim()
  expect(await slow.end(old)).toEqual([])
  expect(await slow.giveBack(old, 'retry', 0)).toEqual([])
  expect(await store.appendFeed(0, [{ id: id!, claim: old[0]!.claim, kind: 'progress', data: '1' }])).toEqual(new Set())
  expect(await stateOf(id!)).toBe('running')
  expect(await quick.end(current)).toEqual([id])
  expect(await quick.end(current)).toEqual([])
  expect(await slow.end(old)).toEqual([])
  expect(await stateOf(id!)).toBe('completed')
})

test('an outcome of another worker with the same claim number changes nothing', async () => {
  const { store, enqueue, worker, stateOf } = await storeBench()
  const [id] = await enqueue({})
  const [one, other] = [await worker(), await worker()]
  const jobs = await one.claim()
  expect(await other.end(jobs)).toEqual([])
  expect(await other.giveBack(jobs, 'released')).toEqual([])
  expect(await stateOf(id!)).toBe('running')
  expect(await store.leasesOf(one.id)).toHaveLength(1)
})

test('an outcome of a job that is not running changes nothing', async () => {
  const { enqueue, worker, stateOf } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await claimer.giveBack(jobs, 'released')
  expect(await claimer.end(jobs)).toEqual([])
  expect(await claimer.giveBack(jobs, 'retry', 10)).toEqual([])
  expect(await stateOf(id!)).toBe('ready')
})

test('jobs of different claim numbers in one statement are fenced each by its own', async () => {
  const { store, enqueue, worker, states } = await storeBench()
  const [first] = await enqueue({})
  const claimer = await worker()
  await claimer.giveBack(await claimer.claim(), 'released')
  const [second, third] = await enqueue({}, {})
  const jobs = await claimer.claim()
  expect(jobs.map(({ id, claim }) => [id, claim])).toEqual(
    expect.arrayContaining([
      [first, 2],
      [second, 1],
      [third, 1],
    ]),
  )
  const endings = jobs.map((job) => ({ ...endingOf(job, 'completed'), claim: job.id === second ? 2 : job.claim }))
  const settled = await store.settle(claimer.scope([]), endings, [])
  expect(settled.ids).toEqual(new Set([first, third]))
  const late = await store.settle(claimer.scope([]), [{ ...endings.find(({ id }) => id === second)! }], [])
  expect(late.ids).toEqual(new Set())
  expect(await states()).toMatchObject({ [first!]: 'completed', [second!]: 'running', [third!]: 'completed' })
})

test('endings and returns go together, and the lease goes with the last of its jobs', async () => {
  const { store, enqueue, worker, states } = await storeBench()
  const [done, again] = await enqueue({}, {})
  const claimer = await worker()
  const [one, two] = await claimer.claim()
  const back = {
    id: two!.id,
    claim: two!.claim,
    outcome: 'retry',
    delay: 0,
    error: '{"name":"E","message":"m"}',
  } as const
  const settled = await store.settle(claimer.scope([claimer.lastBatch]), [endingOf(one!, 'completed')], [back])
  expect(settled.ids).toEqual(new Set([done, again]))
  expect(settled.woken).toHaveLength(1)
  expect(await store.leasesOf(claimer.id)).toEqual([])
  expect(await states()).toEqual({ [done!]: 'completed', [again!]: 'ready' })
})

test('a job whose cancel was asked for does not come back', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  expect(await store.cancel(id!, 'enough')).toMatchObject({ outcome: 'asked' })
  expect(await claimer.giveBack(jobs, 'retry', 0)).toEqual([])
  expect(await store.lookAfter(0, claimer.id, [{ id: id!, claim: 1 }])).toEqual([
    { id, mine: true, cancel: true, reason: 'enough' },
  ])
  expect(await claimer.end(jobs, 'cancelled', { reason: 'enough' })).toEqual([id])
})

test('a lease outlives its claim as long as one of its jobs was not written', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const [only] = await claimer.claim()
  await store.cancel(id!, 'enough')
  const back = { id: only!.id, claim: only!.claim, outcome: 'released', delay: 0, error: null } as const
  const settled = await store.settle(claimer.scope([claimer.lastBatch]), [], [back])
  expect(settled.ids).toEqual(new Set())
  // Without it nobody would ever rescue the job if this process died now.
  expect(await store.leasesOf(claimer.id)).toMatchObject([{ batch: claimer.lastBatch }])
})

test('two settles of one job at once: one wins', async () => {
  const { enqueue, worker } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  const results = await Promise.all([claimer.end(jobs), claimer.end(jobs, 'dead'), claimer.giveBack(jobs, 'retry', 10)])
  expect(results.flat()).toEqual([id])
})

test('text that jsonb cannot hold fails that settle and leaves the job as it was', async () => {
  const { enqueue, worker, stateOf } = await storeBench()
  const [id] = await enqueue({})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await expect(claimer.end(jobs, 'completed', { output: '"\\u0000"' })).rejects.toThrow('unsupported Unicode')
  expect(await stateOf(id!)).toBe('running')
  expect(await claimer.end(jobs)).toEqual([id])
})

test('the feed keeps order within a claim, and the latest progress stays on the job', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id, other] = await enqueue({}, {})
  const claimer = await worker()
  await claimer.claim()
  const line = (data: string) => ({ id: id!, claim: 1, kind: 'log' as const, data })
  const mine = await store.appendFeed(0, [
    line('"a"'),
    { id: id!, claim: 1, kind: 'progress', data: '10' },
    { id: other!, claim: 1, kind: 'progress', data: '99' },
    line('"b"'),
    { id: id!, claim: 1, kind: 'progress', data: '20' },
  ])
  expect(mine).toEqual(new Set([id, other]))
  await store.appendFeed(0, [line('"c"')])
  const rows = (await store.readFeed(id!, { claim: 0, seq: '0' }, 100))!.lines
  expect(rows.map((row) => row.data)).toEqual(['a', 10, 'b', 20, 'c'])
  expect((await store.find(id!))?.progress).toBe(20)
  const second = rows[1]!
  const rest = (await store.readFeed(id!, { claim: second.claim, seq: second.seq }, 2))!.lines
  expect(rest.map((row) => row.data)).toEqual(['b', 20])
})

test('lines of a lost claim and of a current one in one call: only the current ones are kept', async () => {
  const { store, enqueue, worker } = await storeBench()
  const [id, other] = await enqueue({}, {})
  const claimer = await worker()
  const jobs = await claimer.claim()
  await claimer.giveBack(jobs.slice(0, 1), 'released')
  await claimer.claim()
  const mine = await store.appendFeed(0, [
    { id: id!, claim: 1, kind: 'log', data: '"old"' },
    { id: other!, claim: 1, kind: 'log', data: '"good"' },
  ])
  expect(mine).toEqual(new Set([other]))
  expect((await store.readFeed(id!, { claim: 0, seq: '0' }, 10))!.lines).toEqual([])
  // The old and the new claim of the same job beside each other, as after a rescue.
  await store.appendFeed(0, [
    { id: id!, claim: 1, kind: 'progress', data: '1' },
    { id: id!, claim: 2, kind: 'progress', data: '2' },
    { id: id!, claim: 1, kind: 'progress', data: '3' },
  ])
  expect((await store.readFeed(id!, { claim: 0, seq: '0' }, 10))!.lines.map((row) => row.data)).toEqual([2])
  expect((await store.find(id!))?.progress).toBe(2)
})

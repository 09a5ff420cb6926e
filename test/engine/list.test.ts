import { expect, test } from 'vitest'
import { type JobFilter, job, type ListOptions } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const start = new Date('2026-03-01T00:00:00Z')
const good = job('good', { tags: ['all'] }, () => 'fine')
const bad = job('bad', { tags: ['all'], retry: false, queue: 'side' }, () => {
  throw new Error('bad')
})

/** One job in each state that is reached without waiting, a minute apart; the label is in its input. */
async function shop() {
  const world = await testEngine({ jobs: [good, bad], start })
  const { engine, advance } = world
  await engine.enqueue(good, { label: 'completed', user: { id: 1 } }, { key: 'k1', tags: ['x'] })
  await advance('1m')
  await engine.enqueue(bad, { label: 'dead', user: { id: 2 } }, { tags: ['x', 'y'] })
  await advance('1m')
  const cancelled = await engine.enqueue(good, { label: 'cancelled', user: { id: 1 } }, { delay: '1d' })
  await cancelled.cancel()
  await advance('1m')
  await engine.enqueue(good, { label: 'scheduled', user: { id: 1 }, list: [1, 2] }, { delay: '1d', key: 'k2' })
  await advance('1m')
  await engine.pause('side')
  await engine.enqueue(bad, { label: 'ready', user: { id: 3 } })
  const labels = async (options: ListOptions): Promise<string[]> => {
    const { jobs } = await engine.list({ order: 'oldest', ...options })
    return jobs.map(({ input }) => (input as { label: string }).label)
  }
  return { ...world, labels }
}

test('every filter, alone and together', async () => {
  const { labels } = await shop()
  const everyone = ['completed', 'dead', 'cancelled', 'scheduled', 'ready']
  const cases: [JobFilter, string[]][] = [
    [{}, everyone],
    [{ state: 'scheduled' }, ['scheduled']],
    [{ state: ['dead', 'ready', 'running'] }, ['dead', 'ready']],
    [{ queue: 'side' }, ['dead', 'ready']],
    [{ queue: ['side', 'default'] }, everyone],
    [{ queue: 'unknown' }, []],
    [{ name: 'bad' }, ['dead', 'ready']],
    [{ name: ['good'] }, ['completed', 'cancelled', 'scheduled']],
    [{ tag: 'x' }, ['completed', 'dead']],
    [{ tag: ['x', 'y'] }, ['dead']],
    [{ tag: 'all' }, everyone],
    [{ key: 'k1' }, ['completed']],
    [{ input: { user: { id: 1 } } }, ['completed', 'cancelled', 'scheduled']],
    [{ input: { list: [2] } }, ['scheduled']],
    [{ createdAfter: new Date('2026-03-01T00:02:00Z') }, ['cancelled', 'scheduled', 'ready']],
    [{ createdBefore: new Date('2026-03-01T00:01:00Z') }, ['completed']],
    [
      { name: 'good', state: ['completed', 'scheduled'], input: { user: { id: 1 } }, tag: 'all' },
      ['completed', 'scheduled'],
    ],
    [{ state: [] }, []],
  ]
  for (const [filter, expected] of cases) expect([filter, await labels(filter)]).toEqual([filter, expected])
  expect(await labels({ order: 'newest' })).toEqual(everyone.toReversed())
})

test.each(['newest', 'oldest'] as const)(
  'pages are the whole list, %s first, over live and finished jobs',
  async (order) => {
    const { engine, drain } = await testEngine({ jobs: [good] })
    const refs = await engine.enqueueMany(good, Array.from({ length: 25 }), (_, n) =>
      n % 3 === 0 ? { delay: '1d' } : {},
    )
    await drain()
    const seen: string[] = []
    let pages = 0
    for (let after: string | undefined, more = true; more; pages++) {
      const page = await engine.list({ limit: 7, order, ...(after !== undefined && { after }) })
      seen.push(...page.jobs.map(({ id }) => id))
      after = page.next
      more = after !== undefined
    }
    const ids = refs.map(({ id }) => id)
    expect(seen).toEqual(order === 'oldest' ? ids : ids.toReversed())
    expect(pages).toBe(4)
  },
)

test('a job that changes while one pages is met once at most, and what stays is met', async () => {
  const { engine, drain } = await testEngine({ jobs: [good], work: false })
  const refs = await engine.enqueueMany(good, Array.from({ length: 20 }))
  const first = await engine.list({ limit: 10, order: 'oldest' })
  await engine.work({ stopOnSignal: false })
  await drain()
  await engine.enqueue(good)
  const second = await engine.list({ limit: 100, order: 'oldest', after: first.next ?? '' })
  expect([...first.jobs, ...second.jobs].slice(0, 20).map(({ id }) => id)).toEqual(refs.map(({ id }) => id))
})

test.each<[ListOptions, string]>([
  [{ limit: 0 }, 'Option limit must be a whole number from 1 to 1000; received 0'],
  [{ limit: 1001 }, 'Option limit must be'],
  [{ order: 'random' as 'newest' }, "Option order must be 'newest' or 'oldest'"],
  [{ state: 'done' as 'dead' }, 'Option state must be one of scheduled'],
  [{ after: 'x' }, 'Option after'],
  [{ after: '9'.repeat(19) }, 'Option after'],
  [{ input: { n: 1n } }, 'input'],
  [{ createdAfter: new Date(NaN) }, 'Option createdAfter'],
  [{ tag: 7 as unknown as string }, 'Option tag'],
  [{ tags: 'x' } as ListOptions, 'There is no filter "tags". Did you mean "tag"?'],
])('list refuses %o', async (options, message) => {
  const { engine } = await testEngine({ jobs: [], work: false })
  const error = await failureOf(engine.list(options))
  expect(error).toMatchObject({ message: expect.stringContaining(message), code: expect.stringMatching(/^LW_/) })
})

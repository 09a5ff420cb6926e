import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, LegworkError } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const double = job('double', { input: z.number(), output: z.number() }, ({ input }) => input * 2)
const fails = job('fails', { retry: false }, () => {
  throw new Error('no paper')
})
const slow = job('slow', {}, ({ sleep }) => sleep('1h'))

test('a job runs another one and goes on with its output', async () => {
  const parent = job('parent', {}, async ({ run }) => `got ${await run(double, 21)}`)
  const { engine, drain } = await testEngine({ jobs: [parent, double] })
  const ref = await engine.enqueue(parent)
  await drain()
  expect(await ref.result()).toBe('got 42')
})

test('a child outlives the crash of the worker of its parent, and is begun once', async () => {
  const door = gate()
  let runs = 0
  const child = job('child', {}, async () => {
    runs++
    await door.opened
    return runs
  })
  const parent = job('parent', {}, ({ run }) => run(child))
  const one = await testEngine({ jobs: [parent, child] })
  const { id } = await one.engine.enqueue(parent)
  await one.advance('1s')
  door.open()
  const two = await crashAndReplace(one)
  await two.advance('1m')
  expect(await two.engine.ref(id).result()).toBe(2)
  expect((await two.engine.list({ name: 'child' })).jobs).toHaveLength(1)
})

test('while its child runs a parent holds no worker', async () => {
  const parent = job('parent', {}, ({ run }) => run(slow))
  const { engine, advance } = await testEngine({ jobs: [parent, slow], work: { concurrency: 1 } })
  const ref = await engine.enqueue(parent)
  await advance('10m')
  expect(await ref.status()).toMatchObject({ state: 'waiting', worker: undefined })
  await advance('1h')
  expect((await ref.status()).state).toBe('completed')
})

test('a child that fails is an error that the parent can catch, and the same in every replay', async () => {
  const seen: string[] = []
  const parent = job('parent', {}, async ({ run, sleep }) => {
    try {
      await run(fails)
    } catch (error) {
      seen.push((error as Error).message)
    }
    await sleep('1h')
    return 'went on'
  })
  const { engine, advance } = await testEngine({ jobs: [parent, fails] })
  const ref = await engine.enqueue(parent)
  await advance('2h')
  expect(await ref.result()).toBe('went on')
  expect(seen.length).toBeGreaterThan(1)
  expect(seen[0]).toMatch(/"run fails".*Job \d+ \(fails\) is dead: Error: no paper/)
  expect(new Set(seen).size).toBe(1)
})

test('one that is not caught fails the parent and undoes what it did', async () => {
  const undone: unknown[] = []
  const parent = job('parent', {}, async ({ step, run }) => {
    await step('reserve', () => 7, { undo: (held) => void undone.push(held) })
    await run(fails)
  })
  const { engine, advance } = await testEngine({ jobs: [parent, fails] })
  const ref = await engine.enqueue(parent)
  await advance('1m')
  expect((await ref.status()).state).toBe('compensated')
  expect(undone).toEqual([7])
})

test('children of many inputs: their outputs in the order of the inputs, so many at once', async () => {
  let now = 0
  let most = 0
  const child = job('child', { input: z.number() }, async ({ input, step }) => {
    most = Math.max(most, ++now)
    await step('work', () => undefined)
    now--
    return input * 10
  })
  const parent = job('parent', {}, ({ runAll }) => runAll(child, [3, 1, 4, 1, 5, 9, 2], { concurrency: 2 }))
  const { engine, drain } = await testEngine({ jobs: [parent, child] })
  const ref = await engine.enqueue(parent)
  await drain()
  expect(await ref.result()).toEqual([30, 10, 40, 10, 50, 90, 20])
  expect(most).toBeLessThanOrEqual(2)
})

test('when children fail the error says how many and which; settled, what became of each', async () => {
  const odd = job('odd', { input: z.number(), retry: false }, ({ input }) => {
    if (input % 2 === 0) throw new Error(`${input} is even`)
    return input
  })
  const parent = job('parent', {}, async ({ runAll }) => {
    const settled = await runAll(odd, [1, 2, 3, 4], { settle: true, name: 'all' })
    const error = await runAll(odd, [1, 2, 3, 4]).catch((caught: unknown) => caught)
    return {
      settled: settled.map((one) => (one.state === 'completed' ? one.output : one.error?.message)),
      error: String(error),
    }
  })
  const { engine, drain } = await testEngine({ jobs: [parent, odd] })
  const ref = await engine.enqueue(parent)
  await drain()
  const { settled, error } = (await ref.result()) as { settled: unknown[]; error: string }
  expect(settled).toEqual([1, '2 is even', 3, '4 is even'])
  expect(error).toMatch(/2 of 4 failed; the first: Job \d+ \(odd\) is dead: Error: 2 is even/)
})

test('no inputs are no children', async () => {
  const parent = job('parent', {}, ({ runAll }) => runAll(double, []))
  const { engine, drain } = await testEngine({ jobs: [parent, double] })
  const ref = await engine.enqueue(parent)
  await drain()
  expect(await ref.result()).toEqual([])
})

test('side by side: children, a sleep and a race', async () => {
  const parent = job('parent', {}, async ({ run, sleep }) => {
    const both = await Promise.all([run(double, 1), run(double, 2, { name: 'other' }), sleep('1m')])
    const first = await Promise.race([run(slow).then(() => 'slow'), sleep('1m').then(() => 'sleep')])
    return [both[0], both[1], first]
  })
  const { engine, advance } = await testEngine({ jobs: [parent, double, slow] })
  const ref = await engine.enqueue(parent)
  await advance('3m')
  expect(await ref.result()).toEqual([2, 4, 'sleep'])
})

test('an input that does not fit begins no child and fails the step at once', async () => {
  const parent = job('parent', { retry: false }, ({ run }) => run(double, 'x' as never))
  const { engine, drain } = await testEngine({ jobs: [parent, double] })
  const ref = await engine.enqueue(parent)
  await drain()
  expect((await ref.status()).error?.message).toContain('Input of job "double"')
  expect((await engine.list({ name: 'double' })).jobs).toEqual([])
})

test('children are cancelled with their parent, and theirs with them; detached ones go on', async () => {
  const middle = job('middle', {}, ({ run }) => run(slow))
  const top = job('top', {}, async ({ run }) => {
    await Promise.all([run(middle), run(slow, undefined, { detach: true })])
  })
  const { engine, advance } = await testEngine({ jobs: [top, middle, slow] })
  const ref = await engine.enqueue(top)
  await advance('1m')
  await ref.cancel('the customer went away')
  await advance('1m')
  const states = async (name: string) => (await engine.list({ name })).jobs.map((found) => found.state).toSorted()
  expect(await states('top')).toEqual(['cancelled'])
  expect(await states('middle')).toEqual(['cancelled'])
  expect(await states('slow')).toEqual(['cancelled', 'waiting'])
})

test('children of a job that fails meanwhile are cancelled', async () => {
  const parent = job('parent', { retry: false }, async ({ run, sleep }) => {
    await Promise.all([
      run(slow),
      sleep('1m').then(() => {
        throw new Error('enough')
      }),
    ])
  })
  const { engine, advance } = await testEngine({ jobs: [parent, slow] })
  const ref = await engine.enqueue(parent)
  await advance('5m')
  expect((await ref.status()).state).toBe('dead')
  expect((await engine.list({ name: 'slow' })).jobs.map((found) => found.state)).toEqual(['cancelled'])
})

test('a child that is cancelled by hand is an error of its parent', async () => {
  const parent = job('parent', { retry: false }, ({ run }) => run(slow))
  const { engine, advance } = await testEngine({ jobs: [parent, slow] })
  const ref = await engine.enqueue(parent)
  await advance('1m')
  await engine.cancel({ name: 'slow' }, 'not today')
  await advance('1m')
  const failure = await failureOf(ref.result())
  expect(failure).toBeInstanceOf(LegworkError)
  expect((await ref.status()).error?.message).toMatch(/is cancelled: not today/)
})

test('a retried parent keeps the children it has', async () => {
  let tries = 0
  const parent = job('parent', { retry: { attempts: 3, backoff: 'fixed', first: '1m' } }, async ({ run }) => {
    const output = await run(double, 4)
    if (++tries < 3) throw new Error('again')
    return output
  })
  const { engine, advance } = await testEngine({ jobs: [parent, double] })
  const ref = await engine.enqueue(parent)
  await advance('5m')
  expect(await ref.result()).toBe(8)
  expect((await engine.list({ name: 'double' })).jobs).toHaveLength(1)
})

test('a child with a key waits for its turn like any other job', async () => {
  const order: number[] = []
  const keyed = job('keyed', { input: z.number(), key: () => 'same' }, async ({ input, sleep }) => {
    await sleep('1m')
    order.push(input)
  })
  const parent = job('parent', {}, async ({ runAll }) => void (await runAll(keyed, [1, 2, 3])))
  const { engine, advance } = await testEngine({ jobs: [parent, keyed] })
  const ref = await engine.enqueue(parent)
  await advance('10m')
  expect(await ref.status()).toMatchObject({ state: 'completed', error: undefined })
  expect(order).toEqual([1, 2, 3])
})

test('a thousand children at most fifty at a time', async () => {
  const inputs = Array.from({ length: 1_000 }, (_, index) => index)
  const parent = job('parent', {}, async ({ runAll }) => {
    const outputs = await runAll(double, inputs, { concurrency: 50 })
    return outputs.reduce((sum, output) => sum + output, 0)
  })
  const { engine, drain } = await testEngine({ jobs: [parent, double] })
  const ref = await engine.enqueue(parent)
  await drain()
  expect(await ref.result()).toBe(999_000)
})

test('whoever has a ref sees the children and what became of them', async () => {
  const parent = job('parent', {}, async ({ run, runAll }) => {
    await runAll(double, [1, 2])
    await run(slow)
  })
  const { engine, advance } = await testEngine({ jobs: [parent, double, slow] })
  const ref = await engine.enqueue(parent)
  await advance('1m')
  const seen = []
  for await (const { step, state } of ref.children()) seen.push([step, state])
  expect(seen).toEqual([
    ['run all double', 'completed'],
    ['run all double', 'completed'],
    ['run slow', undefined],
  ])
  expect((await ref.status()).waitsFor).toMatch(/its children: 1 of 1 have not ended, the first is job \d+/)
})

import { expect, test } from 'vitest'
import { Abort, job } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const once = { attempts: 1 } as const

/** Two steps with undos that fail as told, and then an end. */
function saga(undos: { a?: () => unknown; b?: () => unknown }, log: string[] = []) {
  return job('order', { retry: once }, async ({ step }) => {
    await step('a', () => 'A', { undo: () => (log.push('undo a'), undos.a?.()) })
    await step('b', () => 'B', { undo: () => (log.push('undo b'), undos.b?.()) })
    throw new Abort('no stock')
  })
}

const refuse = () => {
  throw new Abort('closed')
}

test('steps() tells of each step what it is, how far it is and what came of it', async () => {
  const order = job('order', { retry: false }, async ({ step, sleep, waitFor, now }) => {
    await now()
    await step('a', () => ({ hold: 7 }), { undo: () => undefined })
    await step('b', () => Promise.reject(new Error('no')), { retry: false }).catch(() => undefined)
    await sleep('10m', 'pause')
    await waitFor('approved', { timeout: '20m' })
  })
  const { engine, advance } = await testEngine({ jobs: [order], start: new Date('2030-01-01T00:00:00Z') })
  const ref = await engine.enqueue(order)
  await advance('5s')
  expect(await ref.steps()).toMatchObject([
    { name: 'a', kind: 'step', state: 'done', attempts: 1, output: { hold: 7 }, undoable: true, error: undefined },
    { name: 'b', kind: 'step', state: 'failed', attempts: 1, error: { message: 'no' } },
    { name: 'pause', kind: 'sleep', state: 'waiting', dueAt: new Date('2030-01-01T00:10:00Z') },
  ])
  await advance('11m')
  const steps = await ref.steps()
  expect(steps.slice(2)).toMatchObject([
    { name: 'pause', state: 'done', endedAt: new Date('2030-01-01T00:10:00Z') },
    { name: 'wait for approved', kind: 'wait', state: 'waiting' },
  ])
  await ref.signal('approved')
  await advance('1s')
  expect((await ref.steps()).at(-1)).toMatchObject({ state: 'done', startedAt: steps[3]!.startedAt })
  expect(await failureOf(engine.ref('256000').steps())).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
})

test('steps() knows when a step began and when it ended', async () => {
  const door = gate()
  const order = job('order', {}, async ({ step }) => {
    await step('plain', () => door.opened)
  })
  const { engine, advance } = await testEngine({ jobs: [order], start: new Date('2030-01-01T00:00:00Z') })
  const ref = await engine.enqueue(order)
  await advance('10m')
  door.open()
  await advance('1m')
  const [step] = await ref.steps()
  expect(step!.endedAt!.getTime() - step!.startedAt.getTime()).toBe(600_000)
})

test('undos() tells what is registered, what is being undone and what was', async () => {
  let isOpen = false
  const order = job('order', { retry: { attempts: 3, backoff: 'fixed', first: '1m' } }, async ({ step, waitFor }) => {
    await step('a', () => 'A', { undo: () => undefined })
    await step('b', () => 'B', {
      undo: () => {
        if (!isOpen) throw new Error('closed')
      },
    })
    await waitFor('go')
    throw new Abort('no')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('5s')
  expect(await ref.undos()).toMatchObject([
    { step: 'b', state: 'registered', attempts: 0, output: 'B' },
    { step: 'a', state: 'registered' },
  ])
  await ref.signal('go')
  await advance('30s')
  expect(await ref.undos()).toMatchObject([
    { step: 'b', state: 'pending', attempts: 1, error: { message: 'closed' } },
    { step: 'a', state: 'pending', attempts: 0 },
  ])
  isOpen = true
  await advance('2m')
  expect(await ref.undos()).toMatchObject([
    { step: 'b', state: 'done', attempts: 2 },
    { step: 'a', state: 'done', attempts: 1 },
  ])
})

test('a person settles each failed undo; with the last one the job is compensated', async () => {
  const order = saga({ a: refuse, b: refuse })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(await ref.undos()).toMatchObject([
    { step: 'b', state: 'failed', error: { message: 'closed' } },
    { step: 'a', state: 'failed' },
  ])
  await ref.resolveUndo('b', 'skip')
  expect((await ref.status()).state).toBe('compensation_failed')
  await ref.resolveUndo('a', 'done')
  const status = await ref.status()
  expect(status).toMatchObject({ state: 'compensated', reason: 'aborted', error: { message: 'no stock' } })
  expect(await ref.undos()).toMatchObject([
    { step: 'b', state: 'skipped' },
    { step: 'a', state: 'resolved' },
  ])
  expect(await failureOf(ref.result())).toMatchObject({ code: 'LW_JOB_COMPENSATED' })
  const [queue] = await engine.queues()
  expect(queue?.counts).toMatchObject({ compensated: 1, compensation_failed: 0, dead: 0 })
})

test('retry tries that undo again and no other', async () => {
  const log: string[] = []
  let isOpen = false
  const order = saga({ a: refuse, b: () => isOpen || refuse() }, log)
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  isOpen = true
  log.length = 0
  await ref.resolveUndo('b', 'retry')
  await drain()
  expect(log).toEqual(['undo b'])
  expect((await ref.status()).state).toBe('compensation_failed')
  expect(await ref.undos()).toMatchObject([{ state: 'done' }, { step: 'a', state: 'failed' }])
  await ref.resolveUndo('a', 'skip')
  expect((await ref.status()).state).toBe('compensated')
})

test('two people who settle the last two undos at once end the job', async () => {
  const order = saga({ a: refuse, b: refuse })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  await Promise.all([ref.resolveUndo('a', 'done'), ref.resolveUndo('b', 'done')])
  expect((await ref.status()).state).toBe('compensated')
  const [queue] = await engine.queues()
  expect(queue?.counts).toMatchObject({ compensated: 1, compensation_failed: 0 })
})

test('what cannot be resolved says why, and changes nothing', async () => {
  const order = saga({ b: refuse })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order, undefined, { delay: '1h' })
  expect(await failureOf(ref.resolveUndo('b', 'skip'))).toMatchObject({ code: 'LW_JOB_STATE' })
  await ref.retry()
  await drain()
  const wrong = await failureOf(ref.resolveUndo('a', 'skip'))
  expect(wrong).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(wrong.message).toContain('one of b')
  expect(await failureOf(ref.resolveUndo('b', 'ignore' as never))).toMatchObject({ code: 'LW_OPTION_INVALID' })
  expect(await failureOf(engine.ref('256000').resolveUndo('b', 'skip'))).toMatchObject({ code: 'LW_JOB_NOT_FOUND' })
  expect((await ref.status()).state).toBe('compensation_failed')
})

test('the undo of a step that the code has lost can be settled by a person', async () => {
  let isOld = true
  const order = job('order', { retry: { attempts: 2, backoff: 'fixed', first: '1m' } }, async ({ step }) => {
    if (isOld) await step('old', () => 'hold', { undo: () => undefined })
    if (isOld) throw new Error('later')
    throw new Abort('no')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1s')
  isOld = false
  await advance('5m')
  expect(await ref.undos()).toMatchObject([{ step: 'old', state: 'failed', output: 'hold' }])
  await ref.resolveUndo('old', 'done')
  expect((await ref.status()).state).toBe('compensated')
})

test('a poisoned job is undone: no step begins any more, so what killed its workers does not run again', async () => {
  const stuck = gate()
  const log: string[] = []
  const order = job('order', { crashes: 2 }, async ({ step }) => {
    await step('a', () => (log.push('a'), 'A'), { undo: (output) => void log.push(`undo a ${output}`) })
    await step('kills', async () => {
      log.push('kills')
      await stuck.opened
    })
  })
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('1s')
  const two = await crashAndReplace(one)
  await two.advance('1s')
  const three = await crashAndReplace(two)
  await three.advance('5s')
  expect(log).toEqual(['a', 'kills', 'kills', 'undo a A'])
  const status = await three.engine.ref(id).status()
  expect(status).toMatchObject({ state: 'compensated', reason: 'poisoned', error: { code: 'LW_JOB_POISONED' } })
  stuck.open()
})

test('a poisoned job whose undoing kills workers too is left to a person after two more', async () => {
  const stuck = gate()
  const log: string[] = []
  const order = job('order', { crashes: 1 }, async ({ step }) => {
    await step('a', () => 'A', {
      undo: async () => {
        log.push('undo a')
        await stuck.opened
      },
    })
    await step('kills', () => stuck.opened)
  })
  const world = await testEngine({ jobs: [order] })
  const { id } = await world.engine.enqueue(order)
  await world.advance('1s')
  let current = await crashAndReplace(world)
  for (let death = 0; death < 2; death++) {
    expect((await current.engine.ref(id).status()).state).toBe('compensating')
    current = await crashAndReplace(current)
  }
  expect(log).toEqual(['undo a', 'undo a'])
  const ref = current.engine.ref(id)
  expect(await ref.status()).toMatchObject({ state: 'compensation_failed', reason: 'poisoned', crashes: 3 })
  expect(await ref.undos()).toMatchObject([{ step: 'a', state: 'failed', output: 'A' }])
  await ref.resolveUndo('a', 'done')
  expect((await ref.status()).state).toBe('compensated')
  stuck.open()
})

test('a poisoned job without undos is dead, as ever', async () => {
  const stuck = gate()
  const order = job('order', { crashes: 1 }, async ({ step }) => {
    await step('a', () => 'A')
    await stuck.opened
  })
  const world = await testEngine({ jobs: [order] })
  const { id } = await world.engine.enqueue(order)
  await world.advance('1s')
  const next = await crashAndReplace(world)
  expect(await next.engine.ref(id).status()).toMatchObject({ state: 'dead', reason: 'poisoned' })
  stuck.open()
})

test('a name that was a sleep cannot answer for a step: the attempt fails, and the job goes on when the code fits again', async () => {
  let isBroken = false
  const order = job('order', { retry: { attempts: 3, backoff: 'fixed', first: '1m' } }, async ({ step, sleep }) => {
    if (isBroken) await step('pause', () => 'not a sleep')
    else await sleep('1h', 'pause')
    return 'done'
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  isBroken = true
  await advance('59m')
  await advance('5s')
  expect((await ref.attempts()).at(-1)?.error).toMatchObject({ code: 'LW_STEP_DRIFT' })
  isBroken = false
  await advance('5m')
  expect(await ref.result()).toBe('done')
})

import { expect, test } from 'vitest'
import { Abort, job, type UndoFacts } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const soon = { attempts: 3, backoff: 'fixed', first: '1m' } as const

/** A saga of three steps of which the last one says how it ends. */
function saga(log: string[], last: () => unknown, options: { undoB?: () => unknown } = {}) {
  return job('order', { retry: soon }, async ({ step }) => {
    await step('a', () => (log.push('a'), 'A'), { undo: (output) => void log.push(`undo a ${output}`) })
    await step('b', () => (log.push('b'), 'B'), {
      undo: (output) => {
        log.push(`undo b ${output}`)
        return options.undoB?.()
      },
    })
    await step('c', last, { retry: false })
    return 'done'
  })
}

test('when a job fails for good its steps are undone, the last first', async () => {
  const log: string[] = []
  const order = saga(log, () => Promise.reject(new Error('no stock')))
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  const heard: unknown[] = []
  engine.on('compensated', ({ reason }) => heard.push(reason))
  await drain()
  expect(log).toEqual(['a', 'b', 'undo b B', 'undo a A'])
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'step_failed' })
  const error = await failureOf(ref.result())
  expect(error).toMatchObject({ code: 'LW_JOB_COMPENSATED' })
  expect(error.message).toContain('no stock')
  expect(heard).toEqual(['step_failed'])
})

test('nothing is undone while the job may still succeed, nor when it does', async () => {
  const log: string[] = []
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    await step('a', () => void log.push('a'), { undo: () => void log.push('undo a') })
    if (attempt < 3) throw new Error('not yet')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('5m')
  await ref.result()
  expect(log).toEqual(['a'])
})

test('a failure that the handler catches undoes nothing', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step }) => {
    await step('a', () => void log.push('a'), { undo: () => void log.push('undo a') })
    await step('b', () => Promise.reject(new Error('no')), { retry: false }).catch(() => undefined)
    return 'fine'
  })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(await ref.result()).toBe('fine')
  expect(log).toEqual(['a'])
})

test('hole: a step that timed out is undone too, by the key it was called with', async () => {
  const charges = new Set<string>()
  const undone: [unknown, UndoFacts][] = []
  const order = job('order', {}, ({ step }) =>
    step(
      'charge',
      ({ idempotencyKey }) => {
        charges.add(idempotencyKey) // it charges, and the answer never comes
        return new Promise<string>(() => undefined)
      },
      {
        retry: false,
        timeout: '20s',
        undo: (output, facts) => {
          undone.push([output, facts])
          charges.delete(facts.key)
        },
      },
    ),
  )
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  expect((await ref.status()).state).toBe('compensated')
  expect(charges.size).toBe(0)
  expect(undone).toHaveLength(1)
  expect(undone[0]![0]).toBeUndefined()
  expect(undone[0]![1].error).toMatchObject({ name: 'StepError' })
})

test('cancel stops a running step and undoes what was done', async () => {
  const log: string[] = []
  const started = gate()
  const order = job('order', {}, async ({ step }) => {
    await step('a', () => void log.push('a'), { undo: () => void log.push('undo a') })
    await step('b', ({ signal }) => {
      started.open()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    })
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await started.opened
  await ref.cancel('changed my mind')
  await advance('5s')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'changed my mind' })
  expect(log).toEqual(['a', 'undo a'])
})

test('cancel of a parked job undoes what was done', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step, sleep }) => {
    await step('a', () => (log.push('a'), 'A'), { undo: (output) => void log.push(`undo a ${output}`) })
    await sleep('30d')
    await step('b', () => void log.push('b'), { undo: () => void log.push('undo b') })
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1m')
  expect((await ref.status()).state).toBe('waiting')
  expect(await ref.cancel('changed my mind')).toBe(true)
  await advance('5s')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'changed my mind' })
  expect(log).toEqual(['a', 'undo a A'])
  expect((await engine.queues())[0]?.counts).toMatchObject({ waiting: 0, ready: 0, compensated: 1 })
})

test('a cancel that comes while the job parks undoes what was done', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step, sleep }) => {
    await step('a', () => undefined, { undo: () => void log.push('undo a') })
    await step('b', () => database.query(`update legwork.job set cancel_at = legwork.now(), cancel_reason = 'late'`))
    await sleep('30d')
  })
  const { engine, database, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('10s')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'late' })
  expect(log).toEqual(['undo a'])
})

test('each try of an undo has its number, whoever makes it', async () => {
  const attempts: number[] = []
  const order = job('order', { retry: soon }, async ({ step }) => {
    await step('a', () => undefined, {
      undo: (_output, { attempt }) => {
        attempts.push(attempt)
        if (attempt < 3) throw new Error('closed')
      },
    })
    throw new Abort('no')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  for (let minute = 0; minute < 5; minute++) await advance('1m')
  expect((await ref.status()).state).toBe('compensated')
  expect(attempts).toEqual([1, 2, 3])
})

test('an undo is tried again, and shows while it waits', async () => {
  const log: string[] = []
  let tries = 0
  const order = saga(log, () => Promise.reject(new Error('no')), {
    undoB: () => {
      if (++tries < 3) throw new Error('the warehouse is closed')
    },
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('30s')
  expect((await ref.status()).state).toBe('waiting')
  expect(log.filter((line) => line.startsWith('undo a'))).toEqual([])
  await advance('5m')
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['a', 'b', 'undo b B', 'undo b B', 'undo b B', 'undo a A'])
})

test('one that cannot be undone does not stop the others; retry() tries only it again', async () => {
  const log: string[] = []
  let isOpen = false
  const order = saga(log, () => Promise.reject(new Error('no')), {
    undoB: () => {
      if (!isOpen) throw new Abort('closed for good')
    },
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('10s')
  expect((await ref.status()).state).toBe('compensation_failed')
  expect(String(await failureOf(ref.result()))).toContain('closed for good')
  expect(log).toEqual(['a', 'b', 'undo b B', 'undo a A'])
  isOpen = true
  await ref.retry()
  await advance('10s')
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['a', 'b', 'undo b B', 'undo a A', 'undo b B'])
})

test('what comes before a commit stays', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step, commit }) => {
    await step('a', () => undefined, { undo: () => void log.push('undo a') })
    await commit()
    await step('b', () => undefined, { undo: () => void log.push('undo b') })
    throw new Abort('too late')
  })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['undo b'])
})

test('a step beside the one that failed has ended before it is undone', async () => {
  const log: string[] = []
  const order = job('order', {}, async ({ step }) => {
    const slow = step(
      'slow',
      ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            log.push('slow has stopped')
            reject(signal.reason as Error)
          }),
        ),
      { undo: () => void log.push('undo slow') },
    )
    slow.then(
      () => log.push('went on'),
      () => log.push('went on'),
    )
    await step('fails', () => Promise.reject(new Error('no')), { retry: false })
  })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect((await ref.status()).state).toBe('compensated')
  expect(log.slice(0, 2)).toEqual(['slow has stopped', 'undo slow'])
})

test('an undo that a crash cuts off goes on elsewhere, and what is undone is not undone again', async () => {
  const log: string[] = []
  const stuck = gate()
  let deaths = 0
  const order = job('order', { retry: soon }, async ({ step, sleep }) => {
    await sleep('2s') // the undos are found behind it, too
    for (const name of ['a', 'b', 'c'])
      await step(name, () => (log.push(name), name), {
        undo: async (output) => {
          log.push(`undo ${output}`)
          if (name === 'b' && deaths === 0) await stuck.opened
        },
      })
    throw new Abort('no')
  })
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('5s')
  expect((await one.engine.ref(id).status()).state).toBe('compensating')
  deaths++
  const two = await crashAndReplace(one)
  expect((await two.engine.ref(id).status()).state).toBe('compensated')
  expect(log).toEqual(['a', 'b', 'c', 'undo c', 'undo b', 'undo b', 'undo a'])
  stuck.open()
})

test('a code change that removes a step leaves the job to a person, and says which', async () => {
  let isOld = true
  const log: string[] = []
  const order = job('order', { retry: soon }, async ({ step }) => {
    if (isOld) await step('old', () => undefined, { undo: () => void log.push('undo old') })
    await step('kept', () => undefined, { undo: () => void log.push('undo kept') })
    if (isOld) throw new Error('later')
    throw new Abort('no')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1s')
  isOld = false
  await advance('2m')
  const status = await ref.status()
  expect(status).toMatchObject({ state: 'compensation_failed' })
  expect(status.error?.message).toContain('"old"')
  expect(log).toEqual(['undo kept'])
})

test('a job that times out for good is undone', async () => {
  const log: string[] = []
  const order = job('order', { retry: false, timeout: '30s' }, async ({ step }) => {
    await step('a', () => undefined, { undo: () => void log.push('undo a') })
    await new Promise(() => undefined)
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['undo a'])
})

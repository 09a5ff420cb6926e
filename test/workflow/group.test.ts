import { expect, test } from 'vitest'
import { Abort, job, Snooze, StepError } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

const soon = { attempts: 3, backoff: 'fixed', first: '1m' } as const
const no = () => Promise.reject(new Abort('no rooms'))

test('a group that fails undoes its own steps, and the handler goes on', async () => {
  const log: string[] = []
  const trip = job('trip', { retry: soon }, async ({ step, sleep }) => {
    await step('card', () => void log.push('card'), { undo: () => void log.push('undo card') })
    const error = await step
      .group('rome', async () => {
        await step('flight', () => (log.push('flight'), 'F1'), { undo: (output) => void log.push(`undo ${output}`) })
        await step('car', () => void log.push('car'), { undo: () => void log.push('undo car') })
        await step('hotel', no, { undo: (output) => void log.push(`undo hotel ${output}`) })
      })
      .catch((thrown: unknown) => thrown)
    if (!(error instanceof StepError)) throw new Error('of another class')
    log.push(error.step)
    await sleep('1h') // the handler is run again after it, and comes to the same
    return String(error.cause)
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('2h')
  expect(await ref.result()).toContain('no rooms')
  expect(log).toEqual(['card', 'flight', 'car', 'undo hotel undefined', 'undo car', 'undo F1', 'rome', 'rome'])
  expect((await ref.steps()).map(({ name, kind, state }) => [name, kind, state])).toEqual([
    ['card', 'step', 'done'],
    ['rome > flight', 'step', 'done'],
    ['rome > car', 'step', 'done'],
    ['rome > hotel', 'step', 'failed'],
    ['rome', 'group', 'failed'],
    ['sleep', 'sleep', 'done'],
  ])
})

test('what a group has undone is not undone again when the job fails; what another one did is', async () => {
  const log: string[] = []
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    const book = (what: string) => step(what, () => undefined, { undo: () => void log.push(`undo ${what}`) })
    await book('card')
    await step.group('paris', () => book('louvre'))
    await step.group('rome', () => book('colosseum').then(no)).catch(() => undefined)
    await book('insurance')
    throw new Abort('ill')
  })
  const { engine, drain } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await drain()
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['undo colosseum', 'undo insurance', 'undo louvre', 'undo card'])
})

test('an error that nobody catches ends the job; the rest is undone after the group', async () => {
  const log: string[] = []
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    await step('card', () => undefined, { undo: () => void log.push('undo card') })
    await step.group('rome', async () => {
      await step('flight', () => undefined, { undo: () => void log.push('undo flight') })
      throw new Error('a plain one')
    })
  })
  const { engine, drain } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await drain()
  const status = await ref.status()
  expect(status).toMatchObject({ state: 'compensated', reason: 'step_failed' })
  expect(status.error?.message).toContain('a plain one')
  expect(log).toEqual(['undo flight', 'undo card'])
})

test('groups in a group are undone with it, once', async () => {
  const log: string[] = []
  const trip = job('trip', {}, async ({ step }) => {
    const book = (what: string) => step(what, () => undefined, { undo: () => void log.push(`undo ${what}`) })
    await step
      .group('italy', async () => {
        await step.group('rome', () => book('hotel'))
        await step.group('pisa', () => book('hotel').then(no)).catch(() => log.push('no pisa'))
        await book('car')
        throw new Error('strike')
      })
      .catch(() => log.push('no italy'))
    return 'home'
  })
  const { engine, drain } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await drain()
  expect(await ref.result()).toBe('home')
  expect(log).toEqual(['undo hotel', 'no pisa', 'undo car', 'undo hotel', 'no italy'])
})

test('groups side by side: one is undone, the other goes on', async () => {
  const log: string[] = []
  const trip = job('trip', {}, async ({ step, sleep, uuid }) => {
    const book = async (city: string, end: () => unknown) => {
      await uuid()
      await step('hotel', () => city, { undo: (output) => void log.push(`undo ${output}`) })
      await sleep('1h')
      await end()
      return city
    }
    const [rome, oslo] = await Promise.allSettled([
      step.group('rome', () => book('rome', no)),
      step.group('oslo', () => book('oslo', () => step('ferry', () => undefined))),
    ])
    return [rome.status, oslo.status]
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('2h')
  expect(await ref.result()).toEqual(['rejected', 'fulfilled'])
  expect(log).toEqual(['undo rome'])
})

test('a step beside the one that failed is stopped before it is undone, and nothing begins after that', async () => {
  const log: string[] = []
  const trip = job('trip', {}, async ({ step, sleep, waitFor }) => {
    const slow = () =>
      step(
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
    const late = () => sleep('10s').then(() => step('late', () => void log.push('late')))
    await step
      .group('rome', () => Promise.all([slow(), late(), waitFor('call'), sleep('2s').then(() => step('hotel', no))]))
      .catch(() => undefined)
    return waitFor('call')
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('1m')
  expect(log).toEqual(['slow has stopped', 'undo slow'])
  await ref.signal('call', 'for the one who waits now')
  await advance('1m')
  expect(await ref.result()).toBe('for the one who waits now')
})

test('the undos of a group are tried again, parked meanwhile', async () => {
  const tries: number[] = []
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    await step
      .group('rome', async () => {
        await step('flight', () => undefined, {
          undo: (_output, { attempt, error }) => {
            tries.push(attempt)
            if (attempt < 3) throw new Error('closed')
            expect(error?.message).toContain('no rooms')
          },
        })
        await step('hotel', no)
      })
      .catch(() => undefined)
    return 'home'
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('30s')
  expect((await ref.status()).state).toBe('waiting')
  expect(await ref.undos()).toMatchObject([{ step: 'rome > flight', state: 'pending', attempts: 1 }])
  for (let minute = 0; minute < 3; minute++) await advance('1m')
  expect(await ref.result()).toBe('home')
  expect(tries).toEqual([1, 2, 3])
})

test('a crash while a group is undone: another worker goes on with it, and comes to the same error', async () => {
  const log: string[] = []
  const stuck = gate()
  let isFirst = true
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    const book = (what: string) =>
      step(what, () => void log.push(what), {
        undo: async () => {
          log.push(`undo ${what}`)
          if (what === 'b' && isFirst) await stuck.opened
        },
      })
    const error = await step
      .group('rome', async () => {
        await book('a')
        await book('b')
        await book('c')
        throw new Error(isFirst ? 'the first' : 'another')
      })
      .catch((thrown: Error) => thrown.message)
    await step('after', () => void log.push('after'))
    return error
  })
  const one = await testEngine({ jobs: [trip] })
  const { id } = await one.engine.enqueue(trip)
  await one.advance('5s')
  isFirst = false
  const two = await crashAndReplace(one)
  expect(await two.engine.ref(id).result()).toContain('the first')
  expect(log).toEqual(['a', 'b', 'c', 'undo c', 'undo b', 'undo b', 'undo a', 'after'])
  stuck.open()
})

test('a group whose function does not end any more in the next run is undone all the same', async () => {
  const log: string[] = []
  const stuck = gate()
  let isFirst = true
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    await step
      .group('rome', async () => {
        await step('a', () => undefined, {
          undo: async () => {
            log.push('undo a')
            if (isFirst) await stuck.opened
          },
        })
        if (isFirst) throw new Error('no')
        await step('new in this version', () => void log.push('new'))
      })
      .catch(() => undefined)
    return 'home'
  })
  const one = await testEngine({ jobs: [trip] })
  const { id } = await one.engine.enqueue(trip)
  await one.advance('5s')
  isFirst = false
  const two = await crashAndReplace(one)
  expect(await two.engine.ref(id).result()).toBe('home')
  expect(log).toEqual(['undo a', 'undo a'])
  stuck.open()
})

test('an undo of a group that fails for good ends the job, with the rest undone, for a person', async () => {
  const log: string[] = []
  let isOpen = false
  const trip = job('trip', { retry: soon }, async ({ step }) => {
    await step('card', () => undefined, { undo: () => void log.push('undo card') })
    await step
      .group('rome', async () => {
        await step('flight', () => undefined, {
          undo: () => {
            if (!isOpen) throw new Abort('closed for good')
            log.push('undo flight')
          },
        })
        await step('car', () => undefined, { undo: () => void log.push('undo car') })
        await step('hotel', no)
      })
      .catch(() => log.push('caught'))
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('10s')
  expect(await ref.status()).toMatchObject({ state: 'compensation_failed', reason: 'step_failed' })
  expect(log).toEqual(['undo car', 'undo card'])
  isOpen = true
  await ref.resolveUndo('rome > flight', 'retry')
  await advance('10s')
  expect((await ref.status()).state).toBe('compensated')
  expect(log).toEqual(['undo car', 'undo card', 'undo flight'])
})

test('an attempt that only asks to be run again does not undo a group', async () => {
  const log: string[] = []
  let isReady = false
  const trip = job('trip', { retry: soon }, async ({ step }) =>
    step.group('rome', async () => {
      await step('flight', () => void log.push('flight'), { undo: () => void log.push('undo flight') })
      if (!isReady) throw new Snooze('1m')
      return 'booked'
    }),
  )
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('10s')
  isReady = true
  await advance('2m')
  expect(await ref.result()).toBe('booked')
  expect(log).toEqual(['flight'])
})

test('a cancel in a group undoes all, once', async () => {
  const log: string[] = []
  const trip = job('trip', { retry: soon }, async ({ step, sleep }) => {
    await step.group('rome', async () => {
      await step('flight', () => undefined, { undo: () => void log.push('undo flight') })
      await sleep('30d')
    })
  })
  const { engine, advance } = await testEngine({ jobs: [trip] })
  const ref = await engine.enqueue(trip)
  await advance('10s')
  await ref.cancel('changed my mind')
  await advance('10s')
  expect(await ref.status()).toMatchObject({ state: 'compensated', reason: 'changed my mind' })
  expect(log).toEqual(['undo flight'])
})

test('a job that is woken by a step of a group is neither in that step nor in that group', async () => {
  const other = job('other', {}, ({ step }) => step('own', () => 'fine'))
  const trip = job('trip', {}, ({ step }) =>
    step.group('rome', () => step('send', async () => (await engine.enqueue(other)).result())),
  )
  const { engine, drain } = await testEngine({ jobs: [trip, other] })
  const ref = await engine.enqueue(trip)
  await drain()
  expect(await ref.result()).toBe('fine')
  const [child] = (await engine.list({ name: 'other' })).jobs
  expect((await engine.ref(child!.id).steps()).map(({ name }) => name)).toEqual(['own'])
})

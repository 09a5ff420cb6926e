import { expect, test } from 'vitest'
import { job, StepError } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

/** A hall whose seats are held for a quarter of an hour, while the customer pays. */
function hall() {
  const said: string[] = []
  const book = job('book', { retry: 1 }, async ({ step, waitFor, sleep }) => {
    const seats = await step.hold('seats', () => (said.push('held'), ['A1', 'A2']), {
      for: '15m',
      undo: (seat) => void said.push(`given back ${seat?.join('+')}`),
    })
    const paid = String(await waitFor('paid', { timeout: '1h' }))
    await seats.confirm()
    if (paid === 'but broke') throw new Error('broke')
    await sleep('1d')
    return `${seats.value.join(' ')} for ${paid}`
  })
  return { book, said }
}

test('what is confirmed in time stays, and is undone only with the job', async () => {
  const { book, said } = hall()
  const { engine, advance } = await testEngine({ jobs: [book] })
  const ref = await engine.enqueue(book)
  await advance('14m')
  expect((await ref.status()).state).toBe('waiting')
  expect((await ref.steps())[0]).toMatchObject({ name: 'seats', state: 'done', hold: 'open', dueAt: expect.any(Date) })
  await ref.signal('paid', 'Ada')
  await advance('2d')
  expect(await ref.result()).toBe('A1 A2 for Ada')
  expect((await ref.steps())[0]).toMatchObject({ name: 'seats', hold: 'confirmed', dueAt: undefined })
  expect(said).toEqual(['held'])
  const other = await engine.enqueue(book)
  await advance('1m')
  await other.signal('paid', 'but broke')
  await advance('1m')
  expect((await other.status()).state).toBe('compensated')
  expect(said).toEqual(['held', 'held', 'given back A1+A2'])
})

test('what is not confirmed lapses by itself while the handler waits, and confirm() says so', async () => {
  const { book, said } = hall()
  const { engine, advance } = await testEngine({ jobs: [book] })
  const ref = await engine.enqueue(book)
  await advance('14m')
  expect(said).toEqual(['held'])
  await advance('2m')
  expect(said).toEqual(['held', 'given back A1+A2'])
  expect((await ref.steps())[0]).toMatchObject({ hold: 'expired' })
  expect((await ref.status()).state).toBe('waiting')
  await ref.signal('paid', 'Ada')
  await advance('1m')
  expect(await failureOf(ref.result())).toMatchObject({
    code: 'LW_JOB_COMPENSATED',
    message: expect.stringContaining('hold "seats" was not confirmed in time'),
  })
  expect(said).toEqual(['held', 'given back A1+A2'])
})

test('a hold lapses once, also when a crash comes between', async () => {
  const { book, said } = hall()
  const first = await testEngine({ jobs: [book] })
  const ref = await first.engine.enqueue(book)
  await first.advance('10m')
  const next = await crashAndReplace(first)
  await next.advance('10m')
  expect(said).toEqual(['held', 'given back A1+A2'])
  const last = await crashAndReplace(next)
  await last.engine.ref(ref.id).signal('paid', 'Ada')
  await last.advance('1m')
  expect((await last.engine.ref(ref.id).status()).state).toBe('compensated')
  expect(said).toEqual(['held', 'given back A1+A2'])
})

test('an undo that is tried again and again keeps to its hold; the handler may go another way', async () => {
  const said: string[] = []
  const book = job('book', { retry: { attempts: 3, first: '10s', backoff: 'fixed' } }, async ({ step, sleep }) => {
    const seats = await step.hold('seats', () => 'A1', {
      for: '15m',
      undo: (_seat, { attempt, error }) => {
        said.push(`${attempt} ${error?.code}`)
        if (attempt < 3) throw new Error('the hall does not answer')
      },
    })
    await sleep('16m')
    try {
      await seats.confirm()
      return 'booked'
    } catch (error) {
      if (!(error instanceof StepError)) throw error
      return `${error.step}: ${(error.cause as { code?: string }).code}`
    }
  })
  const { engine, advance } = await testEngine({ jobs: [book] })
  const ref = await engine.enqueue(book)
  await advance('20m')
  expect(await ref.result()).toBe('seats: LW_HOLD_EXPIRED')
  expect(said).toEqual(['1 LW_HOLD_EXPIRED', '2 LW_HOLD_EXPIRED', '3 LW_HOLD_EXPIRED'])
})

test('a handler that completes without confirming gives back what it holds; commit() confirms', async () => {
  const said: string[] = []
  const undo = () => void said.push('given back')
  const leave = job('leave', {}, async ({ step, commit, input }) => {
    await step.hold('seats', () => 'A1', { for: '15m', undo })
    if (input === 'commit') await commit()
    return 'left'
  })
  const { engine, drain } = await testEngine({ jobs: [leave] })
  expect(await (await engine.enqueue(leave, 'commit')).result()).toBe('left')
  await drain()
  expect(said).toEqual([])
  expect(await (await engine.enqueue(leave)).result()).toBe('left')
  expect(said).toEqual(['given back'])
})

test('confirm() that comes after the time, before anybody has looked, is too late', async () => {
  const door = gate()
  const said: string[] = []
  const slow = job('slow', { retry: 1 }, async ({ step }) => {
    const seats = await step.hold('seats', () => 'A1', { for: '1m', undo: () => void said.push('given back') })
    await step('talk', () => door.opened)
    await seats.confirm()
  })
  const { engine, advance, drain } = await testEngine({ jobs: [slow] })
  const ref = await engine.enqueue(slow)
  await advance('2m')
  expect(said).toEqual(['given back'])
  door.open()
  await drain()
  expect((await ref.status()).state).toBe('compensated')
  expect(said).toEqual(['given back'])
})

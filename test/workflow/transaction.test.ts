import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

const soon = { attempts: 3, backoff: 'fixed', first: '1m' } as const

test('step.tx: the writes and the result commit together, once', async () => {
  const order = job('order', { retry: soon }, async ({ step, attempt }) => {
    const rows = await step.tx('confirm', (tx) => tx.query('insert into account (n) values ($1) returning n', [7]))
    if (attempt === 1) throw new Error('again')
    return rows
  })
  const { engine, database, advance } = await testEngine({ jobs: [order] })
  await database.query('create table account (n int)')
  const ref = await engine.enqueue(order)
  await advance('2m')
  expect(await ref.result()).toEqual([{ n: 7 }])
  expect(await database.query('select n from account')).toEqual([{ n: 7 }])
})

test('step.tx: what it wrote is gone when it fails', async () => {
  const order = job('order', {}, ({ step }) =>
    step.tx(
      'confirm',
      async (tx, { attempt }) => {
        await tx.query('insert into account (n) values ($1)', [attempt])
        if (attempt < 3) throw new Error('no')
      },
      { retry: soon },
    ),
  )
  const { engine, database, advance } = await testEngine({ jobs: [order] })
  await database.query('create table account (n int)')
  const ref = await engine.enqueue(order)
  await advance('5m')
  await ref.result()
  expect(await database.query('select n from account')).toEqual([{ n: 3 }])
})

test('step.tx: a worker that has lost the job commits nothing', async () => {
  let runs = 0
  const order = job('order', {}, async ({ step }) => {
    runs++
    if (runs === 1) await database.query('update legwork.job set claim = claim + 1, worker_id = null')
    return step.tx('confirm', (tx) => tx.query('insert into account (n) values ($1) returning n', [runs]))
  })
  const { engine, database, advance } = await testEngine({ jobs: [order] })
  await database.query('create table account (n int)')
  const ref = await engine.enqueue(order)
  await advance('1m')
  expect(await ref.result()).toEqual([{ n: 2 }])
  expect(await database.query('select n from account')).toEqual([{ n: 2 }])
})

test('step.tx: an error of the database is an error of the step', async () => {
  const order = job('order', {}, ({ step }) => step.tx('bad', (tx) => tx.query('select nonsense'), { retry: false }))
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  expect(String(await failureOf(ref.result()))).toContain('nonsense')
})

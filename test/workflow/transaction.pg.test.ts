import knexOf, { type Knex } from 'knex'
import { expect, onTestFinished, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { urlOf } from '../store/transaction/handles.ts'

test('step.tx in a transaction of Knex: both commit together, once, and neither when it fails', async () => {
  const knexes: Knex[] = []
  const order = job('order', { retry: { attempts: 3, backoff: 'fixed', first: '1m' } }, async ({ step, attempt }) => {
    const rows = await step.tx(
      'confirm',
      async (trx: Knex.Transaction, facts) => {
        const found = await trx('account').insert({ n: facts.attempt }).returning('n')
        if (facts.attempt === 1) throw new Error('not yet')
        return found
      },
      { begin: (work) => knexes[0]!.transaction(work) },
    )
    if (attempt === 1) throw new Error('again')
    return rows
  })
  const { engine, database, advance } = await testEngine({ jobs: [order] })
  const knex = knexOf({ client: 'pg', connection: urlOf(database) })
  onTestFinished(() => knex.destroy())
  knexes.push(knex)
  await database.query('create table account (n int)')
  const ref = await engine.enqueue(order)
  await advance('5m')
  expect(await ref.result()).toEqual([{ n: 2 }])
  expect(await database.query('select n from account')).toEqual([{ n: 2 }])
})

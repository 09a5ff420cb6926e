import knexOf, { type Knex } from 'knex'
import type { TestDatabase } from '../../support/database.ts'
import { describeTransactions } from './suite.ts'
import { urlOf } from './handles.ts'

function connect(database: TestDatabase): Knex {
  return knexOf({ client: 'pg', connection: urlOf(database) })
}

describeTransactions('Knex', async (database) => {
  const knex = connect(database)
  const ended = await knex.transaction()
  await ended.rollback()
  return {
    transact: (note, work) =>
      knex.transaction(async (trx) => {
        await trx('note').insert({ body: note })
        await work(trx)
      }),
    closed: { 'a Knex instance': () => knex, 'a Knex transaction that has ended': () => ended },
    close: () => knex.destroy(),
  }
})

describeTransactions('Knex, a transaction ended by hand, nested', (database) => {
  const knex = connect(database)
  return {
    transact: async (note, work) => {
      const outer = await knex.transaction()
      try {
        await outer.transaction(async (trx) => {
          await trx('note').insert({ body: note })
          await work(trx)
        })
        await outer.commit()
      } catch (error) {
        await outer.rollback()
        throw error
      }
    },
    closed: {},
    close: () => knex.destroy(),
  }
})

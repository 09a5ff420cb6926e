import { CamelCasePlugin, type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { TestDatabase } from '../../support/database.ts'
import { describeTransactions } from './suite.ts'
import { urlOf } from './handles.ts'

interface Tables {
  note: { id: Generated<number>; body: string }
}

function connect(database: TestDatabase): Kysely<Tables> {
  const pool = new pg.Pool({ connectionString: urlOf(database) })
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
}

describeTransactions('Kysely', (database) => {
  const db = connect(database)
  return {
    transact: (note, work) =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto('note').values({ body: note }).execute()
        await work(trx)
      }),
    closed: { 'a Kysely instance': () => db },
    close: () => db.destroy(),
  }
})

describeTransactions('Kysely, a controlled transaction', async (database) => {
  const db = connect(database)
  const ended = await db.startTransaction().execute()
  await ended.rollback().execute()
  return {
    transact: async (note, work) => {
      const trx = await db.startTransaction().execute()
      try {
        await trx.insertInto('note').values({ body: note }).execute()
        await work(trx)
        await trx.commit().execute()
      } catch (error) {
        await trx.rollback().execute()
        throw error
      }
    },
    closed: { 'a Kysely transaction that has ended': () => ended },
    close: () => db.destroy(),
  }
})

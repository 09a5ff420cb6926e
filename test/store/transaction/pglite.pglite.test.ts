import type { Transaction } from '@electric-sql/pglite'
import { describeTransactions } from './suite.ts'
import { pgliteOf } from './handles.ts'

describeTransactions('PGlite', async (database) => {
  const db = pgliteOf(database)
  const ended = await db.transaction<Transaction>(async (tx) => tx)
  return {
    transact: (note, work) =>
      db.transaction(async (tx) => {
        await tx.query('insert into note (body) values ($1)', [note])
        await work(tx)
      }),
    closed: { 'a PGlite database': () => db, 'a PGlite transaction that has ended': () => ended },
    close: async () => {},
  }
})

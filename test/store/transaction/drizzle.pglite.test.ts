import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/pglite'
import { describeTransactions } from './suite.ts'
import { pgliteOf } from './handles.ts'

const notes = pgTable('note', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })

describeTransactions('Drizzle on PGlite', (database) => {
  const db = drizzle(pgliteOf(database))
  return {
    transact: (note, work) =>
      db.transaction(async (tx) => {
        await tx.insert(notes).values({ body: note })
        await work(tx)
      }),
    closed: { 'a Drizzle database': () => db },
    close: async () => {},
  }
})

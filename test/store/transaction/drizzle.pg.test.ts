import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import pg from 'pg'
import postgres from 'postgres'
import { describeTransactions } from './suite.ts'
import { urlOf } from './handles.ts'

const notes = pgTable('note', { id: integer().primaryKey().generatedAlwaysAsIdentity(), body: text().notNull() })

describeTransactions('Drizzle on pg', (database) => {
  const pool = new pg.Pool({ connectionString: urlOf(database) })
  const db = drizzleOnPg(pool)
  return {
    transact: (note, work) =>
      db.transaction(async (tx) => {
        await tx.insert(notes).values({ body: note })
        await work(tx)
      }),
    closed: { 'a Drizzle database': () => db },
    close: () => pool.end(),
  }
})

describeTransactions('Drizzle on postgres.js, nested', (database) => {
  const sql = postgres(urlOf(database))
  const db = drizzleOnPostgresJs(sql)
  return {
    transact: (note, work) =>
      db.transaction((outer) =>
        outer.transaction(async (tx) => {
          await tx.insert(notes).values({ body: note })
          await work(tx)
        }),
      ),
    closed: { 'a Drizzle database': () => db },
    close: () => sql.end(),
  }
})

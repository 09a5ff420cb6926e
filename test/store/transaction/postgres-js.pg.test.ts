import postgres from 'postgres'
import { describeTransactions } from './suite.ts'
import { urlOf } from './handles.ts'

describeTransactions('postgres.js', (database) => {
  const sql = postgres(urlOf(database))
  return {
    transact: async (note, work) => {
      await sql.begin(async (tx) => {
        await tx`insert into note (body) values (${note})`
        await work(tx)
      })
    },
    closed: { 'the top-level sql of postgres.js': () => sql },
    close: () => sql.end(),
  }
})

describeTransactions('postgres.js, a savepoint, with names in camel case', (database) => {
  const sql = postgres(urlOf(database), { transform: postgres.camel })
  return {
    transact: async (note, work) => {
      await sql.begin(async (outer) => {
        await outer.savepoint(async (tx) => {
          await tx`insert into note (body) values (${note})`
          await work(tx)
        })
      })
    },
    closed: {},
    close: () => sql.end(),
  }
})

describeTransactions('postgres.js, a reserved connection with BEGIN by hand', (database) => {
  const sql = postgres(urlOf(database))
  return {
    transact: async (note, work) => {
      const reserved = await sql.reserve()
      try {
        await reserved`begin`
        await reserved`insert into note (body) values (${note})`
        await work(reserved)
        await reserved`commit`
      } catch (error) {
        await reserved`rollback`
        throw error
      } finally {
        reserved.release()
      }
    },
    closed: {},
    close: () => sql.end(),
  }
})

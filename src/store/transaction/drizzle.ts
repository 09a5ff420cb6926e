import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a Drizzle database or transaction. */
interface DrizzleHandle {
  execute(query: SqlWrapper): PromiseLike<unknown>
}

/** The part of Drizzle's `SQL` its dialect calls; written out so that we need not import Drizzle. */
interface SqlWrapper {
  getSQL(): SqlWrapper
  toQuery(): { readonly sql: string; readonly params: readonly unknown[] }
}

/** A Drizzle database or transaction, whatever its driver. */
export function isDrizzle(value: Handle): value is Handle & DrizzleHandle {
  return hasMethods(value, 'execute', 'transaction') && isObject(value['dialect']) && isObject(value['session'])
}

/** The transaction of Drizzle that `db.transaction` hands out. */
export function fromDrizzle(handle: Handle & DrizzleHandle): Transaction {
  if (!hasMethods(handle, 'rollback')) {
    throw notOpen('a Drizzle database', 'the tx that db.transaction(async (tx) => …) hands you')
  }
  return { query: async (text, params) => rowsOf(await handle.execute(statement(text, params))) }
}

function statement(text: string, params: readonly unknown[]): SqlWrapper {
  const sql: SqlWrapper = { getSQL: () => sql, toQuery: () => ({ sql: text, params: [...params] }) }
  return sql
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

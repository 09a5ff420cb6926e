import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a PGlite database or its `Transaction`. */
interface PGliteHandle {
  query(text: string, params: unknown[]): Promise<unknown>
  readonly closed?: unknown
}

/** A PGlite database, or one of its transactions. */
export function isPGlite(value: Handle): value is Handle & PGliteHandle {
  return hasMethods(value, 'query', 'exec', 'sql', 'listen')
}

/** The transaction of PGlite that `db.transaction` hands out. */
export function fromPGlite(handle: Handle & PGliteHandle): Transaction {
  const instead = 'the tx that db.transaction(async (tx) => …) hands you'
  if (!hasMethods(handle, 'rollback')) throw notOpen('a PGlite database', instead)
  if (handle.closed === true) throw notOpen('a PGlite transaction that has ended', instead)
  return { query: async (text, params) => rowsOf(await handle.query(text, [...params])) }
}

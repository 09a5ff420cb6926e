import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a `sql` of postgres.js. */
interface PostgresJsSql {
  unsafe(text: string, params: unknown[]): PromiseLike<unknown>
  typed(value: unknown, type: number): unknown
}

/** PostgreSQL's type `unknown`: the server decides, as it does for the other drivers. */
const unknownType = 705

/** Any `sql` of postgres.js. */
export function isPostgresJs(value: Handle): value is Handle & PostgresJsSql {
  return typeof value === 'function' && hasMethods(value, 'unsafe', 'typed')
}

/** The transaction behind the `sql` that `sql.begin` or `sql.savepoint` hands out. */
export function fromPostgresJs(sql: Handle & PostgresJsSql): Transaction {
  // A reserved connection may have had its BEGIN sent by hand; postgres.js does not tell.
  if (!hasMethods(sql, 'savepoint') && !hasMethods(sql, 'release')) {
    throw notOpen('the top-level sql of postgres.js', 'the sql that sql.begin(async (sql) => …) hands you')
  }
  // Left alone, postgres.js asks the server for the type and stringifies again what is JSON text already.
  const asIs = (value: unknown): unknown => (typeof value === 'string' ? sql.typed(value, unknownType) : value)
  return { query: async (text, params) => rowsOf(await sql.unsafe(text, params.map(asIs))) }
}

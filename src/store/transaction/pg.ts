import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a `Client` or `PoolClient` of pg. */
interface PgClient {
  query(text: string, params: unknown[]): Promise<unknown>
  readonly readyForQuery?: unknown
  getTransactionStatus?(): unknown
}

interface PgPool {
  readonly totalCount: number
  readonly idleCount: number
}

/** A client of pg, or its pool. */
export function isPg(value: Handle): value is Handle & (PgClient | PgPool) {
  return hasMethods(value, 'query', 'connect') && (isPool(value) || hasMethods(value, 'end'))
}

/** The transaction on a client of pg; the caller has sent BEGIN. */
export function fromPg(client: PgClient | PgPool): Transaction {
  if (isPool(client)) {
    throw notOpen('a pool of pg, which runs each query on any connection', 'the client of pool.connect(), after BEGIN')
  }
  if (isIdle(client)) throw notOpen('a client of pg outside a transaction', 'the client between BEGIN and COMMIT')
  return { query: async (text, params) => rowsOf(await client.query(text, [...params])) }
}

function isPool(value: object): value is PgPool {
  return 'totalCount' in value && 'idleCount' in value
}

/**
 * What the server said last, in versions of pg that remember it. While queries are under way the answer is
 * out of date (one of them may be BEGIN), and such a client is taken at its caller's word.
 */
function isIdle(client: PgClient): boolean {
  return client.readyForQuery === true && client.getTransactionStatus?.() === 'I'
}

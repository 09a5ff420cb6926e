/** One SQL statement. Named, so that the server keeps its plan; each lives in its own file under queries/. */
export interface Statement {
  readonly name: string
  readonly text: string
  /**
   * Whether it may simply be sent again when the connection broke before the answer came. A statement that may not
   * be repeated fails with LW_DATABASE_UNREACHABLE then: nobody can know whether it took effect.
   */
  readonly repeatable: boolean
}

export type Row = Record<string, unknown>

/** What runs statements: a connection, or a transaction on it. bigint arrives as text, timestamptz as Date, json parsed. */
export interface Queryable {
  query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]>
  /** Several statements without parameters, as they stand in a migration file. */
  script(text: string): Promise<void>
}

/** Where two kinds of database differ, as documented facts instead of `if`s in the engine. */
export interface ConnectionTraits {
  /** No other process can reach this database: hints stay in the process, and workers of earlier processes are dead. */
  readonly exclusive: boolean
  /** The server vacuums and analyzes by itself. */
  readonly vacuums: boolean
}

export interface Connection extends Queryable {
  readonly kind: 'pglite' | 'postgres'
  readonly traits: ConnectionTraits
  /** Runs `work` in one transaction; commits when it resolves, rolls back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
  /** Sends a hint to every listener. Hints may be lost; nothing may depend on one. */
  notify(payload: string): Promise<void>
  /** Calls `onHint` for each hint, `onGap` when some may have been missed. Keeps itself connected until `close`. */
  listen(onHint: (payload: string) => void, onGap: () => void): void
  close(): Promise<void>
}

/**
 * The engine's sessions may use only the plans its statements are written for. A table that was last vacuumed while it
 * was empty looks like one row to the planner, however many there are: then every plan seems free, and a sort of the
 * whole backlog as good as the index that has the order.
 */
export const planSettings: string = [
  'set enable_seqscan = off',
  'set enable_sort = off',
  'set enable_incremental_sort = off',
  'set enable_hashjoin = off',
  'set enable_mergejoin = off',
  'set enable_bitmapscan = off',
  'set jit = off',
].join('; ')

/**
 * Takes part of the restriction back until the end of the transaction, for look-ups of what few rows have: a partial
 * index may find them, and only the planner can tell whether they are few.
 */
export const freePlans = 'set local enable_sort = on; set local enable_bitmapscan = on'

/** A statement that may be repeated: reads, and writes that are fenced or idempotent. */
export function repeatable(name: string, text: string): Statement {
  return Object.freeze({ name, text, repeatable: true })
}

/** A statement that adds something and would add it twice. */
export function once(name: string, text: string): Statement {
  return Object.freeze({ name, text, repeatable: false })
}

import { type Handle, hasMethods, notOpen, type Row, type Transaction } from './shape.ts'

/** What we use of a `Kysely`, `Transaction` or `ControlledTransaction`. */
interface KyselyHandle {
  readonly isTransaction: boolean
  readonly isCommitted?: unknown
  readonly isRolledBack?: unknown
  withoutPlugins(): KyselyHandle
  executeQuery(query: CompiledQuery): Promise<{ readonly rows: readonly unknown[] }>
}

interface CompiledQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: { readonly kind: 'RawNode'; readonly sqlFragments: readonly string[]; readonly parameters: [] }
  readonly queryId: { readonly queryId: string }
}

/** A Kysely instance or transaction. */
export function isKysely(value: Handle): value is Handle & KyselyHandle {
  return hasMethods(value, 'executeQuery', 'withoutPlugins') && typeof value['isTransaction'] === 'boolean'
}

/** The transaction of Kysely that `db.transaction().execute` or `db.startTransaction().execute` hands out. */
export function fromKysely(handle: KyselyHandle): Transaction {
  const instead = 'the trx that db.transaction().execute(async (trx) => …) hands you'
  if (!handle.isTransaction) throw notOpen('a Kysely instance', instead)
  if (handle.isCommitted === true || handle.isRolledBack === true) {
    throw notOpen('a Kysely transaction that has ended', instead)
  }
  // Plug-ins may rename or convert what the statement returns.
  const plain = handle.withoutPlugins()
  return { query: async (text, params) => [...(await plain.executeQuery(compiled(text, params))).rows] as Row[] }
}

function compiled(text: string, params: readonly unknown[]): CompiledQuery {
  const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] } as const
  return { sql: text, parameters: params, query: { ...query, parameters: [] }, queryId: { queryId: 'legwork' } }
}

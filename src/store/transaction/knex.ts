import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a Knex instance or transaction. */
interface KnexHandle {
  raw(sql: string, bindings: readonly unknown[]): PromiseLike<unknown>
  isCompleted?(): boolean
}

/** A Knex instance or transaction. */
export function isKnex(value: Handle): value is Handle & KnexHandle {
  return typeof value === 'function' && hasMethods(value, 'raw', 'transaction')
}

/** The transaction of Knex that `knex.transaction` hands out. */
export function fromKnex(handle: Handle & KnexHandle): Transaction {
  const instead = 'the trx that knex.transaction(async (trx) => …) hands you'
  if (handle['isTransaction'] !== true) throw notOpen('a Knex instance', instead)
  if (handle.isCompleted?.() === true) throw notOpen('a Knex transaction that has ended', instead)
  return {
    query: async (text, params) => {
      const { sql, bindings } = toKnex(text, params)
      return rowsOf(await handle.raw(sql, bindings))
    },
  }
}

/** Strings, quoted names, dollar quotes and comments, which hold no placeholders; then a placeholder. */
const tokens =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[a-z_]\w*)?\$)[\s\S]*?\1|--[^\n]*|\/\*[\s\S]*?\*\/|\$(?<index>\d+)|\?/gi

/**
 * Rewrites `$1` placeholders into the `?` of Knex, once per use, and escapes every other question mark.
 * Knex cannot carry a backslash right before a question mark; the engine's statements have none.
 */
export function toKnex(text: string, params: readonly unknown[]): { sql: string; bindings: unknown[] } {
  const bindings: unknown[] = []
  const sql = text.replace(tokens, (token, ...rest) => {
    const { index } = rest.at(-1) as { index: string | undefined }
    if (index === undefined) return token.replaceAll('?', '\\?')
    bindings.push(params[Number(index) - 1])
    return '?'
  })
  return { sql, bindings }
}

import { LegworkError } from '../../core/errors.ts'

/** One row as a driver returns it. */
export type Row = Record<string, unknown>

/**
 * The open transaction of whichever library the caller uses, reduced to the one thing the engine needs.
 *
 * Parameters are strings, numbers and null, and arrive as they are. Ask for columns with one-word lower-case names, and
 * for text: naming plug-ins rename `two_words`, and every library parses the other types in its own way.
 */
export interface Transaction {
  query(text: string, params: readonly unknown[]): Promise<Row[]>
}

/** A value that may be a handle: `sql` of postgres.js and Knex are functions, all others are objects. */
export type Handle = Readonly<Record<string, unknown>>

/** Whether the value has all these methods. */
export function hasMethods(value: Handle, ...names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === 'function')
}

/** The rows of a result that is either an array of rows or an object with `rows`. */
export function rowsOf(result: unknown): Row[] {
  if (Array.isArray(result)) return [...result]
  if (typeof result === 'object' && result !== null && 'rows' in result && Array.isArray(result.rows)) {
    return result.rows
  }
  throw new LegworkError('LW_TX_UNKNOWN', 'The query method of the value given as tx did not return rows.', {
    hint: 'It must return an array of rows, or an object with such an array as rows.',
  })
}

/** The refusal of a handle that its own library says is not inside a transaction. */
export function notOpen(given: string, instead: string): LegworkError {
  return new LegworkError(
    'LW_TX_NOT_OPEN',
    `The value given as tx is ${given}; the job would not be part of your transaction.`,
    { hint: `Pass ${instead}.`, details: { given } },
  )
}

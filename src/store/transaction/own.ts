import type { Queryable } from '../connection.ts'
import type { Transaction } from './shape.ts'

/** The engine's own transaction in the shape that `enqueue` takes; statements of the caller are not kept prepared. */
export function openTransaction(tx: Queryable): Transaction {
  return {
    query: (text, params?: readonly unknown[]) => tx.query({ name: '', text, repeatable: false }, params ?? []),
  }
}

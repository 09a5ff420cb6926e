import type { Transaction } from '../transaction/transaction.ts'
import { changeIn } from './change.ts'

/** Makes one input of that of a job that waits and that of a call; JSON text. */
export type Merging = (waiting: string | null) => Promise<string | null>

/** A call that is merged into a job that waits; the input is JSON text. */
export interface Merge {
  readonly id: string
  readonly merge: Merging
  readonly waiting: string | null
}

/**
 * Gives jobs that this transaction has locked what calls make of their inputs, in the order given. Two calls may be merged
 * into the same job: the second one finds what the first one made.
 */
export async function mergeIn(tx: Transaction, merges: readonly Merge[]): Promise<void> {
  const inputs = new Map<string, string | null>()
  for (const { id, merge, waiting } of merges)
    inputs.set(id, await merge(inputs.has(id) ? (inputs.get(id) ?? null) : waiting))
  for (const [id, input] of inputs) await changeIn(tx, [id], { input })
}

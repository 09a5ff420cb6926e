import { LegworkError } from '../../core/errors.ts'
import type { Transaction } from '../transaction/transaction.ts'
import { type Enqueued, enqueuePayload, type NewJob, notesOf } from './enqueue.ts'
import { type Merge, mergeIn } from './merge.ts'

/** In whatever library's transaction: one text parameter. */
const ruledText =
  'select ord, id::text as id, created, conflict, old_input, bounds::text as bounds from legwork.enqueue_ruled($1::jsonb)'

/** Whether a job needs more than the unique index says. */
export function isRuled(job: NewJob): boolean {
  return job.rule !== undefined || job.once !== undefined
}

/**
 * Adds jobs of which some have a rule, all or none, in the order given; call it in a transaction.
 * @throws LW_DUPLICATE, LW_IDEMPOTENCY_MISMATCH: nothing was added, and the transaction may go on
 */
export async function enqueueRuled(tx: Transaction, jobs: readonly NewJob[]): Promise<Enqueued[]> {
  const rows = (await tx.query(ruledText, [enqueuePayload(jobs)])).map(met).toSorted((a, b) => a.ord - b.ord)
  const refused = rows.find(({ conflict }) => conflict === 'duplicate' || conflict === 'mismatch')
  if (refused) throw refusal(refused, jobs[refused.ord - 1])
  const merges: Merge[] = []
  const added = rows.map(({ ord, id, created, conflict, oldInput, notes }): Enqueued => {
    const { merge } = jobs[ord - 1] ?? {}
    if (conflict === 'merge' && merge) {
      merges.push({ id, merge, waiting: oldInput })
      return { id, created, conflict: 'merged', notes }
    }
    return { id, created, notes, ...(!created && { conflict: conflict === 'replaced' ? 'replaced' : 'ignored' }) }
  })
  await mergeIn(tx, merges)
  return added
}

interface Met {
  readonly ord: number
  readonly id: string
  readonly created: boolean
  readonly conflict: string | null
  readonly oldInput: string | null
  readonly notes: Enqueued['notes']
}

/** A row in any library's format. */
function met(row: Readonly<Record<string, unknown>>): Met {
  return {
    ord: Number(row['ord']),
    id: String(row['id']),
    created: row['created'] === true,
    conflict: (row['conflict'] as string | null) ?? null,
    oldInput: (row['old_input'] as string | null) ?? null,
    notes: notesOf(row).notes,
  }
}

function refusal({ id, conflict }: Met, job: NewJob | undefined): LegworkError {
  const name = JSON.stringify(job?.name)
  if (conflict === 'duplicate')
    return new LegworkError('LW_DUPLICATE', `Job ${id} named ${name} is the same: nothing was enqueued.`, {
      details: { id },
    })
  const message = `The idempotency key ${JSON.stringify(job?.once?.value)} belongs to job ${id} named ${name}, which has another input.`
  return new LegworkError('LW_IDEMPOTENCY_MISMATCH', message, {
    hint: 'Use a new key for every new request.',
    details: { id },
  })
}

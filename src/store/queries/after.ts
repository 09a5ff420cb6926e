import { LegworkError } from '../../core/errors.ts'
import type { Transaction } from '../transaction/transaction.ts'

/** What a job comes after, and what becomes of it when one of those fails. */
export interface After {
  readonly ids: readonly string[]
  readonly policy: 'fail' | 'skip' | 'run'
}

/** In whatever library's transaction: one text parameter. */
const afterText = `select legwork.come_after((e->>'id')::bigint, array(select jsonb_array_elements_text(e->'ids')::bigint), e->>'policy')
  from jsonb_array_elements($1::jsonb) e`

/**
 * Jobs that were just added in this transaction come after others.
 * @throws LW_JOB_NOT_FOUND when one of those exists nowhere: the transaction cannot be committed then
 */
export async function comeAfter(
  tx: Transaction,
  jobs: readonly { readonly id: string; readonly after: After }[],
): Promise<void> {
  const list = jobs.map(({ id, after }) => ({ id, ids: after.ids, policy: after.policy }))
  try {
    await tx.query(afterText, [JSON.stringify(list)])
  } catch (error) {
    throw isNotFound(error) ? notFound(error) : error
  }
}

/** The libraries hand the server's error on, itself or as a cause. */
function isNotFound(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? error.code : undefined
  return code === 'LW404' || isNotFound(error.cause) || error.message.includes('legwork: there is no job')
}

function notFound(error: Error): LegworkError {
  return new LegworkError('LW_JOB_NOT_FOUND', 'A job in `after` does not exist: nothing was enqueued.', {
    hint: 'The id is wrong, its transaction was rolled back, or its history was pruned.',
    cause: error,
  })
}

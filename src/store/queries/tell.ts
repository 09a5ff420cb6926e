import { type Queryable, repeatable } from '../connection.ts'

const tellStatement = repeatable(
  'lw_tell',
  'select distinct queue_id, priority from legwork.tell($1::smallint, $2::bigint[])',
)

/**
 * Tells whoever waits for these jobs that they have ended, in the transaction that ended them: parents are woken, jobs
 * that come after are made ready, those that follow a batch are added. Returns the lanes in which jobs became ready.
 */
export async function tell(
  tx: Queryable,
  slot: number,
  ids: readonly string[],
): Promise<{ queueId: number; priority: number }[]> {
  const rows = await tx.query<{ queue_id: number; priority: number }>(tellStatement, [slot, ids])
  return rows.map((row) => ({ queueId: row.queue_id, priority: row.priority }))
}

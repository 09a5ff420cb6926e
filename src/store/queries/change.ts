import type { Patch } from '../../core/change.ts'
import type { Transaction } from '../transaction/transaction.ts'
import type { LaneName } from './lanes.ts'

export interface Changed {
  readonly id: string
  /** `running`: a worker has it, or it is a durable job that waits. */
  readonly outcome: 'changed' | 'running' | 'ended' | 'missing'
  /** The lane it is ready in. */
  readonly lane: LaneName | undefined
  /** Milliseconds until a scheduled one is due. */
  readonly due: number | undefined
}

/** In whatever library's transaction: text parameters. */
const changeText = `select u.id, c.outcome, c.queue_id, c.priority, c.due
  from jsonb_array_elements_text($1::jsonb) u(id) cross join lateral legwork.change_job(u.id::bigint, $2::jsonb) c`

/** Changes jobs that wait, in the order of their ids; each is fenced against a claim by a lock on its row. */
export async function changeIn(on: Transaction, ids: readonly string[], patch: Patch): Promise<Changed[]> {
  const ordered = ids.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
  const rows = await on.query(changeText, [JSON.stringify(ordered), patchJson(patch)])
  return rows.map(({ id, outcome, queue_id: queueId, priority, due }) => ({
    id: String(id),
    outcome: outcome as Changed['outcome'],
    lane: queueId === null ? undefined : { queueId: Number(queueId), priority: Number(priority) },
    due: due === null ? undefined : Number(due),
  }))
}

/** The patch in the words of legwork.change_job. */
function patchJson({ input, options, ...rest }: Patch): string {
  const plain = JSON.stringify({ ...rest, ...(input === null && { blank: true }) })
  const texts = Object.entries({ input: input ?? undefined, options }).flatMap(([name, json]) =>
    json === undefined ? [] : `${JSON.stringify(name)}:${json}`,
  )
  return texts.length === 0 ? plain : `${plain.slice(0, -1)}${plain === '{}' ? '' : ','}${texts.join(',')}}`
}

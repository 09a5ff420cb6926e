import type { Patch } from '../../core/change.ts'
import type { Transaction } from '../transaction/transaction.ts'
import type { LaneName } from './settle.ts'

export interface Changed {
  /** `running`: a worker has it, or it is a durable job that waits. */
  readonly outcome: 'changed' | 'running' | 'ended' | 'missing'
  /** The lane it is ready in. */
  readonly lane: LaneName | undefined
  /** Milliseconds until a scheduled one is due. */
  readonly due: number | undefined
}

/** In whatever library's transaction: text parameters. */
const changeText = 'select outcome, queue_id, priority, due from legwork.change_job($1::bigint, $2::jsonb)'

/** Changes a job that waits; atomic by itself, and fenced against a claim by a lock on the row. */
export async function changeIn(on: Transaction, id: string, patch: Patch): Promise<Changed> {
  const [row = {}] = await on.query(changeText, [id, patchJson(patch)])
  const { queue_id: queueId = null, priority, due = null } = row
  return {
    outcome: row['outcome'] as Changed['outcome'],
    lane: queueId === null ? undefined : { queueId: Number(queueId), priority: Number(priority) },
    due: due === null ? undefined : Number(due),
  }
}

/** The patch in the words of legwork.change_job. */
function patchJson({ input, options, ...rest }: Patch): string {
  const plain = JSON.stringify({ ...rest, ...(input === null && { blank: true }) })
  const texts = Object.entries({ input: input ?? undefined, options }).flatMap(([name, json]) =>
    json === undefined ? [] : `${JSON.stringify(name)}:${json}`,
  )
  return texts.length === 0 ? plain : `${plain.slice(0, -1)}${plain === '{}' ? '' : ','}${texts.join(',')}}`
}

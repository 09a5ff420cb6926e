import type { LastSuccess } from '../core/firing.ts'
import type { Store } from '../store/store.ts'

/** The newest run of a schedule that completed. */
export async function lastSuccess(store: Store, schedule: string): Promise<LastSuccess | undefined> {
  const found = await store.lastSuccess(schedule)
  if (!found) return undefined
  const { nominal, at, output } = found
  return { nominal, at, result: output === null ? undefined : JSON.parse(output) }
}

import { batchPlanOf } from '../core/batch-handler.ts'
import type { AnyJob } from '../core/definition.ts'
import type { LaneGroup } from './directory.ts'

/**
 * Jobs without a limit per worker are claimed together; each of the others alone, as many as there is room for.
 * @param chosen what was set at run time, by the name of the job; it goes before what the code of this process says
 * @param reserved places are kept for urgent jobs: those of a batch handler are claimed alone too, for how many of them need a
 *  place can only be told of them
 */
export function groupsOf(
  names: readonly string[],
  definitions: ReadonlyMap<string, AnyJob>,
  chosen: ReadonlyMap<string, number>,
  reserved = false,
): LaneGroup[] {
  const most = (name: string) => chosen.get(name) ?? definitions.get(name)?.perWorker ?? Infinity
  const isApart = (name: string) =>
    most(name) < Infinity || (reserved && batchPlanOf(definitions.get(name)?.handler) !== undefined)
  const alone = names.filter(isApart)
  const together = names.filter((name) => !isApart(name))
  const groups = alone.map((name) => ({ names: [name], most: most(name) }))
  return together.length > 0 || alone.length === 0 ? [{ names: together, most: Infinity }, ...groups] : groups
}

import type { AnyJob } from '../core/definition.ts'
import type { LaneGroup } from './directory.ts'

/**
 * Jobs without a limit per worker are claimed together; each of the others alone, as many as there is room for.
 * @param chosen what was set at run time, by the name of the job; it goes before what the code of this process says
 */
export function groupsOf(
  names: readonly string[],
  definitions: ReadonlyMap<string, AnyJob>,
  chosen: ReadonlyMap<string, number>,
): LaneGroup[] {
  const most = (name: string) => chosen.get(name) ?? definitions.get(name)?.perWorker ?? Infinity
  const alone = names.filter((name) => most(name) < Infinity)
  const together = names.filter((name) => most(name) === Infinity)
  const groups = alone.map((name) => ({ names: [name], most: most(name) }))
  return together.length > 0 || alone.length === 0 ? [{ names: together, most: Infinity }, ...groups] : groups
}

import type { AnyJob } from '../core/definition.ts'
import { pinOf, type StoredVersion } from '../core/version.ts'

/** The definition that runs a job: the one it is pinned to, else the first of its name. */
export function definitionFor(
  definitions: ReadonlyMap<string, AnyJob>,
  job: { readonly name: string; readonly options: Readonly<Record<string, unknown>> },
): AnyJob | undefined {
  const first = definitions.get(job.name)
  const { pin } = job.options as StoredVersion
  if (typeof pin !== 'string' || first?.version === pin) return first
  return first?.older.get(pin)
}

/** The versions that can be run here, as claims name them. */
export function pinsOf(definitions: ReadonlyMap<string, AnyJob>): string[] {
  return [...definitions.values()]
    .flatMap((first) => [first, ...first.older.values()])
    .flatMap(({ name, version, handler }) => (handler && version !== undefined ? pinOf(name, version) : []))
}

import type { AnyJob } from './definition.ts'
import { optionError } from './errors.ts'
import { text } from './text.ts'

/** What the versions of a definition are about, as a job's options hold it. */
export interface StoredVersion {
  /** Of the definition that it was enqueued with. */
  readonly version?: string
  /** The one version that may run it. */
  readonly pin?: string | null
}

/** The version of a definition, which knows of no others. @throws LW_OPTION_INVALID for a pin without a version */
export function versionOf(
  name: string,
  { version, pin, isolate }: { version?: unknown; pin?: unknown; isolate?: unknown },
): Pick<AnyJob, 'version' | 'pin' | 'older'> {
  if (pin !== undefined && typeof pin !== 'boolean') throw optionError('pin', 'true or false', pin)
  const given = typeof version === 'number' ? String(version) : text(version, 'version')
  if (pin && given === undefined) throw optionError('version', 'given when `pin` is', version)
  // the module of one is looked up by the name of the job
  if (pin && isolate !== undefined) throw optionError(`pin of the isolated job "${name}"`, 'left out', pin)
  return { version: given, pin: pin ?? false, older: new Map() }
}

/** What a job of this definition is stored with. */
export function storedVersion({ version, pin }: Pick<AnyJob, 'version' | 'pin'>): StoredVersion | undefined {
  if (version === undefined) return undefined
  return pin ? { version, pin: version } : { version }
}

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

/** One text for a name and a version of it. */
export function pinOf(name: string, version: string): string {
  return `${name}@${version}`
}

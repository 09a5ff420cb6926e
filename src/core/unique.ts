import { type Duration, positive } from './duration.ts'
import { optionError } from './errors.ts'
import { text } from './text.ts'

/** Which jobs of a name are the same, for how long, and what a call does that finds one. */
export interface Unique {
  /** Jobs with the same text are the same. Default: those with the same input. */
  readonly value?: string
  /** Until the first one has ended, or only until a worker has taken it. Default `'finished'`; with `replace` and `merge` `'started'`. */
  readonly until?: 'started' | 'finished'
  /** Instead: for this long after the first one was enqueued, also when it has ended. */
  readonly for?: Duration
  /** Instead: once in every period of this length, counted from the epoch: `'1h'` begins anew at every full hour of UTC. */
  readonly bucket?: Duration
  /**
   * What a call does that finds the first one. `'ignore'` returns its ref; `'replace'` gives it the new input and
   * options; `'merge'` asks the definition's `merge`; `'reject'` throws LW_DUPLICATE. One that runs or has ended is not
   * changed: then `'replace'` and `'merge'` do as `'ignore'`. Default `'ignore'`.
   */
  readonly onConflict?: 'ignore' | 'replace' | 'merge' | 'reject'
}

/** Waits until no call has come for a while; the last input counts. */
export interface Debounce {
  /** So long after the last call it runs. */
  readonly wait: Duration
  /** It runs at the latest so long after the first one. Default: no limit. */
  readonly max?: Duration
}

/** At most one job in a period. */
export interface Throttle {
  readonly every: Duration
  /**
   * `'leading'`: the first call runs at once, those of the period after it are ignored. `'trailing'`: one job runs at
   * the end of the period, with the last input. Default `'leading'`.
   */
  readonly edge?: 'leading' | 'trailing'
}

/** The options of `enqueue` that say which jobs are the same. */
export interface UniqueOptions {
  /** While an unfinished job of this name has the same text, no second one is made; `enqueue` returns the first. Or rules for that. */
  readonly unique?: string | Unique
  /** Runs once no call has come for so long, with the input of the last one. Same: `unique`, else the key, else the name. */
  readonly debounce?: Duration | Debounce
  /** At most one job in a period. Same: `unique`, else the key, else the name. */
  readonly throttle?: Duration | Throttle
  /**
   * The same call again adds nothing and returns the first job, as long as that is known, and for `keepFor` in any case.
   * The same key with another input throws LW_IDEMPOTENCY_MISMATCH.
   */
  readonly idempotencyKey?: string | { readonly value: string; readonly keepFor?: Duration }
}

/** A rule as the database takes it; see legwork.enqueue_ruled. */
export interface UniqueRule {
  readonly value?: string
  readonly until?: 'started' | 'finished'
  readonly ms?: number
  readonly bucket?: number
  readonly conflict: NonNullable<Unique['onConflict']>
  readonly maxMs?: number
}

/** What the options come to: the plain unique text, or a rule, and the delay that a rule brings. */
export interface Sameness {
  readonly unique: string | undefined
  readonly rule: UniqueRule | undefined
  readonly delayMs: number | undefined
}

/** @param fallback what is the same for a debounce or throttle that has no text: the key, else the name */
export function samenessOf(options: UniqueOptions, fallback: string): Sameness {
  const { unique, debounce, throttle } = options
  if (debounce !== undefined || throttle !== undefined) return pacedOf(options, fallback)
  if (typeof unique !== 'object') return { unique: text(unique, 'unique'), rule: undefined, delayMs: undefined }
  return { unique: undefined, rule: ruleOf(unique), delayMs: undefined }
}

/** The idempotency key as the database takes it. */
export function onceOf(
  given: UniqueOptions['idempotencyKey'],
): { readonly value: string; readonly keepMs?: number } | undefined {
  if (given === undefined) return undefined
  const { value, keepFor } = typeof given === 'object' && given !== null ? given : { value: given }
  const key = text(value, 'idempotencyKey')
  if (key === undefined) throw optionError('idempotencyKey.value', 'text of 1 to 500 characters', value)
  return { value: key, ...(keepFor !== undefined && { keepMs: positive(keepFor, 'idempotencyKey.keepFor') }) }
}

const names = ['value', 'until', 'for', 'bucket', 'onConflict']

function ruleOf(given: Unique): UniqueRule {
  const { value, until, for: period, bucket, onConflict = 'ignore' } = given
  const unknown = Object.keys(given ?? {}).find((name) => !names.includes(name))
  if (given === null || unknown !== undefined)
    throw optionError('unique', `text, or an object of ${names.join(', ')}`, unknown ?? given)
  if (!['ignore', 'replace', 'merge', 'reject'].includes(onConflict))
    throw optionError('unique.onConflict', "'ignore', 'replace', 'merge' or 'reject'", onConflict)
  if ([until, period, bucket].filter((one) => one !== undefined).length > 1)
    throw optionError('unique', 'given only one of until, for and bucket', given)
  if (until !== undefined && until !== 'started' && until !== 'finished')
    throw optionError('unique.until', "'started' or 'finished'", until)
  const span = spanOf(period, bucket)
  const changes = onConflict === 'replace' || onConflict === 'merge'
  return {
    ...named(text(value, 'unique.value')),
    ...(span ?? { until: until ?? (changes ? 'started' : 'finished') }),
    conflict: onConflict,
  }
}

function spanOf(
  period: Duration | undefined,
  bucket: Duration | undefined,
): Pick<UniqueRule, 'ms' | 'bucket'> | undefined {
  if (period !== undefined) return { ms: positive(period, 'unique.for') }
  return bucket === undefined ? undefined : { bucket: positive(bucket, 'unique.bucket') }
}

/** Debounce and throttle are rules too: a job that waits, and takes what later calls bring. */
function pacedOf({ unique, debounce, throttle }: UniqueOptions, fallback: string): Sameness {
  if (debounce !== undefined && throttle !== undefined)
    throw optionError('throttle', 'left out when debounce is given', throttle)
  const { value = fallback, onConflict, ...rest } = typeof unique === 'object' ? unique : named(unique)
  const conflict = onConflict ?? 'replace'
  if (Object.keys(rest).length > 0 || (conflict !== 'replace' && conflict !== 'merge'))
    throw optionError(
      'unique',
      "text, or { value, onConflict: 'replace' or 'merge' }, beside debounce or throttle",
      unique,
    )
  const same = { value: text(value, 'unique') ?? fallback, until: 'started', conflict } as const
  if (debounce !== undefined) return debounced(debounce, same)
  const { every, edge = 'leading' } = typeof throttle === 'object' ? throttle : { every: throttle ?? 0 }
  const ms = positive(every, 'throttle')
  if (edge === 'trailing') return { unique: undefined, rule: { ...same, maxMs: ms }, delayMs: ms }
  if (edge !== 'leading') throw optionError('throttle.edge', "'leading' or 'trailing'", edge)
  return { unique: undefined, rule: { value: same.value, ms, conflict: 'ignore' }, delayMs: undefined }
}

function debounced(given: Duration | Debounce, same: UniqueRule): Sameness {
  const { wait, max } = typeof given === 'object' ? given : { wait: given }
  const delayMs = positive(wait, 'debounce.wait')
  if (max === undefined) return { unique: undefined, rule: same, delayMs }
  const maxMs = positive(max, 'debounce.max')
  if (maxMs < delayMs) throw optionError('debounce.max', 'no shorter than debounce.wait', max)
  return { unique: undefined, rule: { ...same, maxMs }, delayMs }
}

function named(value: string | undefined): { readonly value?: string; readonly onConflict?: Unique['onConflict'] } {
  return value === undefined ? {} : { value }
}

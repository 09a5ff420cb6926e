import { encode } from './codec.ts'
import type { AnyJob } from './definition.ts'
import { type Duration, milliseconds } from './duration.ts'
import { optionError } from './errors.ts'
import { instantOrWall, type WallTime } from './instant.ts'
import { encodeOverrides, type Overrides } from './overrides.ts'
import { type Priority, priorityNumber } from './priority.ts'
import { text } from './text.ts'
import type { StoredVersion } from './version.ts'

/** What a job that waits gets instead; what is left out stays as it is. */
export interface Change extends Overrides {
  /** Run no sooner than this long from now; 0 makes it ready now. */
  readonly delay?: Duration
  /** Run no sooner than this instant, or time on the clocks of a zone; one in the past makes it ready now. */
  readonly at?: Date | WallTime
  readonly priority?: Priority
  readonly queue?: string
  /** Null takes the key away. A new key puts the job behind those that have it. */
  readonly key?: string | null
  /** The version that may run it; null for any. */
  readonly pin?: string | null
  /** Checked like that of `enqueue`. The definition's `key` is asked again, unless `key` is given. */
  readonly input?: unknown
}

/** A change as the database takes it; see legwork.change_job. JSON values are text. */
export interface Patch {
  /** Null: none. */
  readonly input?: string | null
  /** ISO text. */
  readonly runAt?: string
  readonly delayMs?: number
  readonly priority?: number
  readonly queue?: string
  readonly key?: string | null
  readonly options?: string
}

const names = ['delay', 'at', 'priority', 'queue', 'key', 'input', 'retry', 'timeout', 'startWithin', 'pin']

/**
 * Checks a change.
 * @param definition of the job; needed for an input only
 * @throws LW_OPTION_INVALID, LW_INPUT_INVALID, LW_VALUE_UNSTORABLE
 */
export async function patchOf(change: Change, definition: AnyJob | undefined): Promise<Patch> {
  const unknown = Object.keys(change).find((name) => !names.includes(name))
  if (unknown !== undefined || Object.values(change).every((value) => value === undefined))
    throw optionError('change', `an object of ${names.join(', ')}`, unknown ?? change)
  const { delay, at, priority, queue } = change
  if (delay !== undefined && at !== undefined) throw optionError('at', 'left out when delay is given', at)
  const runAt = instantOrWall(at, 'at')?.toISOString()
  const options = encodeOverrides(change, pinOf(change.pin))
  return {
    ...(delay !== undefined && { delayMs: milliseconds(delay, 'delay') }),
    ...(runAt !== undefined && { runAt }),
    ...(priority !== undefined && { priority: priorityNumber(priority, 'priority') }),
    ...(queue !== undefined && { queue: text(queue, 'queue') ?? queue }),
    ...(options !== null && { options }),
    ...keyOf(change, definition),
    ...(Object.hasOwn(change, 'input') && { input: await inputOf(change.input, definition) }),
  }
}

function pinOf(pin: unknown): StoredVersion | undefined {
  if (pin === undefined) return undefined
  return { pin: pin === null ? null : (text(pin, 'pin') ?? null) }
}

function keyOf(change: Change, definition: AnyJob | undefined): Pick<Patch, 'key'> {
  const { key } = change
  if (key !== undefined) return { key: key === null ? null : (text(key, 'key') ?? key) }
  if (!Object.hasOwn(change, 'input') || !definition?.key) return {}
  return { key: text(definition.key(change.input), 'key') ?? null }
}

async function inputOf(input: unknown, definition: AnyJob | undefined): Promise<string | null> {
  if (!definition) throw optionError('input', 'left out when it is not known of which job it is', input)
  const { inputSchema, name } = definition
  return encode(inputSchema, input, {
    code: 'LW_INPUT_INVALID',
    label: `Input of job "${name}"`,
    hint: 'Nothing was changed.',
  })
}

import { encode, toJson } from './core/codec.ts'
import type { JobCall } from './core/call.ts'
import type { AnyJob } from './core/definition.ts'
import type { EnqueueOptions } from './api.ts'
import { milliseconds } from './core/duration.ts'
import { optionError } from './core/errors.ts'
import { instantOrWall } from './core/instant.ts'
import { encodeOverrides } from './core/overrides.ts'
import { priorityNumber } from './core/priority.ts'
import { text } from './core/text.ts'
import { storedVersion } from './core/version.ts'
import { onceOf, type Sameness, samenessOf } from './core/unique.ts'
import type { Hint } from './live/hub.ts'
import type { After } from './store/queries/after.ts'
import type { NewJob } from './store/queries/enqueue.ts'

/** Validates the input and every option, and gives the row to store. Nothing is stored when this throws. */
export function prepare(definition: AnyJob, input: unknown, options: EnqueueOptions): NewJob | Promise<NewJob> {
  const { name, inputSchema } = definition
  const label = `Input of job "${name}"`
  if (!inputSchema) return rowOf(definition, input, options, toJson(input, label))
  const what = { code: 'LW_INPUT_INVALID', label, hint: 'Nothing was enqueued.' } as const
  return encode(inputSchema, input, what).then((wire) => rowOf(definition, input, options, wire))
}

/** The rows of many jobs. Waits only if something is not there yet: a thousand without a schema need no thousand promises. */
export async function prepareAll(
  definition: AnyJob,
  inputs: readonly unknown[],
  optionsOf: (input: never, index: number) => EnqueueOptions,
): Promise<readonly NewJob[]> {
  const rows = inputs.map((input, index) => prepare(definition, input, optionsOf(input as never, index)))
  return rows.some((row) => row instanceof Promise)
    ? Promise.all(rows.map(async (row) => row))
    : (rows as readonly NewJob[])
}

/** The row of a job that somebody is given to carry out. */
export function prepareCall(call: JobCall): NewJob | Promise<NewJob> {
  const job = (call as JobCall | undefined)?.job as AnyJob | undefined
  if (typeof job?.handle !== 'function') throw optionError('job', 'what definition.with(input) returns', call)
  return prepare(job, call.input, {})
}

/** What the workers should know of new jobs: where they wait, and when the first delayed one is due. */
export function newsOf(rows: readonly NewJob[], now: number): Hint {
  const lanes: { queue: string; priority: number }[] = []
  let due = Infinity
  for (const { queue, priority, delayMs, runAt } of rows) {
    const wait = delayMs ?? (runAt ? runAt.getTime() - now : 0)
    if (wait > 0) due = Math.min(due, wait)
    else if (!lanes.some((lane) => lane.queue === queue && lane.priority === priority)) lanes.push({ queue, priority })
  }
  return { ...(lanes.length > 0 && { enqueued: lanes }), ...(due < Infinity && { due }) }
}

/** @param wire the input as JSON text */
function rowOf(definition: AnyJob, input: unknown, options: EnqueueOptions, wire: string | null): NewJob {
  if (options.delay !== undefined && options.at !== undefined)
    throw optionError('at', 'left out when delay is given', options.at)
  const key = text(options.key ?? definition.key?.(input), 'key')
  const same = isPlain(options) ? nothingSame : samenessOf(options, key ?? definition.name)
  return {
    name: definition.name,
    input: wire,
    queue: text(options.queue, 'queue') ?? definition.queue,
    priority: options.priority === undefined ? definition.priority : priorityNumber(options.priority, 'priority'),
    runAt: instantOrWall(options.at, 'at'),
    delayMs: delayOf(options, same.delayMs),
    key,
    unique: same.unique,
    tags: options.tags === undefined ? definition.tags : tagList([...definition.tags, ...options.tags]),
    headers: headerJson(options.headers),
    trace: trace(options.traceparent),
    options: encodeOverrides(withDefault(definition, options), storedVersion(definition)),
    after: after(options.after, options.afterFailure),
    rule: same.rule,
    once: onceOf(options.idempotencyKey),
    merge: mayMerge(definition, options, same, key) ? merging(definition, wire) : undefined,
  }
}

/** By its rule, or when its queue is full and a job of its key waits there. */
function mayMerge({ merge }: AnyJob, { idempotencyKey }: EnqueueOptions, same: Sameness, key?: string): boolean {
  if (same.rule || same.unique !== undefined) return same.rule?.conflict === 'merge'
  return merge !== undefined && key !== undefined && idempotencyKey === undefined
}

/** The one default that is stored with the job: a moment is counted from it. */
function withDefault({ startWithin }: AnyJob, options: EnqueueOptions): EnqueueOptions {
  return startWithin === undefined || options.startWithin !== undefined ? options : { ...options, startWithin }
}

const nothingSame: Sameness = Object.freeze({ unique: undefined, rule: undefined, delayMs: undefined })

/** Thousands a second pass here that say nothing of what is the same. */
function isPlain({ unique, debounce, throttle }: EnqueueOptions): boolean {
  return unique === undefined && debounce === undefined && throttle === undefined
}

function delayOf({ delay, at }: EnqueueOptions, paced: number | undefined): number | undefined {
  if (paced === undefined) return delay === undefined ? undefined : milliseconds(delay, 'delay')
  if (delay !== undefined || at !== undefined)
    throw optionError('delay', 'left out, like at, when debounce or throttle is given', delay ?? at)
  return paced
}

/** Makes one input of that of a job that waits and that of the call; both as JSON text. Thousands a second are never asked. */
function merging(definition: AnyJob, wire: string | null): (waiting: string | null) => Promise<string | null> {
  if (!definition.merge)
    throw optionError('unique.onConflict', "'ignore', 'replace' or 'reject' for a job without `merge`", 'merge')
  return (waiting) => merged(definition, waiting, wire)
}

async function merged(
  { merge, inputSchema, name }: AnyJob,
  waiting: string | null,
  wire: string | null,
): Promise<string | null> {
  const parsed = (json: string | null): unknown => (json === null ? undefined : JSON.parse(json))
  const what = {
    code: 'LW_INPUT_INVALID',
    label: `Merged input of job "${name}"`,
    hint: 'Nothing was changed.',
  } as const
  return encode(inputSchema, merge?.(parsed(waiting), parsed(wire)), what)
}

function after(refs: EnqueueOptions['after'], policy: EnqueueOptions['afterFailure'] = 'fail'): After | undefined {
  if (!['fail', 'skip', 'run'].includes(policy)) throw optionError('afterFailure', "'fail', 'skip' or 'run'", policy)
  if (refs === undefined) return undefined
  if (!Array.isArray(refs)) throw optionError('after', 'a list of refs or ids', refs)
  if (refs.length === 0) return undefined
  return { ids: [...new Set(refs.map(idOf))], policy }
}

function idOf(ref: unknown): string {
  const id: unknown = typeof ref === 'object' && ref !== null && 'id' in ref ? ref.id : ref
  if (typeof id !== 'string' || !/^\d{1,19}$/.test(id)) throw optionError('after', 'a list of refs or ids', ref)
  return id
}

function tagList(tags: readonly unknown[]): string[] {
  return [...new Set(tags.map((tag) => text(tag, 'tags') ?? ''))]
}

function headerJson(headers: unknown): string | null {
  if (headers === undefined) return null
  const good =
    typeof headers === 'object' &&
    headers !== null &&
    Object.values(headers).every((value) => typeof value === 'string')
  if (!good) throw optionError('headers', 'an object whose values are text', headers)
  return toJson(headers, 'Headers')
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; an invalid one is refused rather than stored. */
function trace(value: unknown): string | undefined {
  if (value === undefined) return undefined
  const valid =
    typeof value === 'string' &&
    /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(value)
  if (!valid) throw optionError('traceparent', 'a W3C traceparent', value)
  return value
}

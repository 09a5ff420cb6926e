import type { AnyJob } from '../core/definition.ts'
import type { StepName } from '../core/durable.ts'
import { LegworkError, optionError } from '../core/errors.ts'
import type { NewJob } from '../store/queries/enqueue.ts'
import type { Fork, ForkPlan } from '../store/queries/fork.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { definitionOfJob } from './definition.ts'
import { notFound } from './results.ts'

export interface ForkOptions {
  /**
   * The first step that is not kept: its name as `steps()` shows it or as the handler gives it; `'last-failure'` is the last
   * step that failed for good, or, when the job failed in the code around them, the end of its steps.
   */
  readonly from: StepName
  /** Checked against the schema of the job. Default: the input of the job itself. */
  readonly input?: unknown
}

interface ForkParts {
  readonly store: Store
  readonly hub: Hub
  readonly definitions: ReadonlyMap<string, AnyJob>
  /** The row of a job to add; throws when the input does not fit. */
  readonly prepare: (definition: AnyJob, input: unknown) => NewJob | Promise<NewJob>
}

/** Adds a job like this one that keeps the finished steps before `from`; returns its id. */
export async function forkJob(
  parts: ForkParts,
  id: string,
  definition: AnyJob | undefined,
  options: ForkOptions,
): Promise<string> {
  const from = startOf(options)
  const given = options.input === undefined ? {} : await inputFor(parts, id, definition, options.input)
  const { found, known, steps, forked } = await parts.store.fork(id, { from, ...given })
  if (!found) throw notFound(id)
  if (!known) throw unknownStart(steps, options.from)
  if (!forked)
    throw new LegworkError(
      'LW_JOB_STATE',
      `Job ${id} cannot be forked: another unfinished job holds its unique key. Nothing was changed.`,
      { hint: 'Wait until that one has ended, or cancel it.' },
    )
  tellOf(parts.hub, [forked])
  return forked.id
}

/** Forks each of the jobs that has such a step and whose unique key is free; returns how many. */
export async function forkJobs(parts: ForkParts, ids: readonly string[], options: ForkOptions): Promise<number> {
  const from = startOf(options)
  const forks: NonNullable<Fork['forked']>[] = []
  try {
    for (const id of ids) {
      const { forked } = await parts.store.fork(id, { from })
      if (forked) forks.push(forked)
    }
  } finally {
    tellOf(parts.hub, forks)
  }
  return forks.length
}

function tellOf(hub: Hub, forks: readonly NonNullable<Fork['forked']>[]): void {
  if (forks.length > 0) hub.tell({ woken: forks.map(({ woken }) => woken) })
}

const rule = "the name of a step, a pair of name and key, or 'last-failure'"

/** Undefined means the last failure. */
function startOf({ from }: { readonly from: unknown }): string | undefined {
  if (from === 'last-failure') return undefined
  const name = isPair(from) ? from.join(':') : from
  if (typeof name !== 'string' || name === '' || name.includes('\0') || !name.isWellFormed())
    throw optionError('from', rule, from)
  return name
}

function isPair(from: unknown): from is readonly [string, string | number] {
  const isText = (part: unknown) => typeof part === 'string' || typeof part === 'number'
  return Array.isArray(from) && from.length === 2 && from.every(isText)
}

const cannotCheck =
  'Its new input cannot be checked here. Give the definition to legwork(), or to lw.ref(id, definition).'

async function inputFor(
  parts: ForkParts,
  id: string,
  known: AnyJob | undefined,
  input: unknown,
): Promise<Pick<ForkPlan, 'input' | 'key'>> {
  const { input: json, key } = await parts.prepare(known ?? (await definitionOfJob(parts, id, cannotCheck)), input)
  return { input: json, key }
}

function unknownStart(steps: readonly string[], from: unknown): LegworkError {
  if (steps.length === 0) return optionError('from', "'last-failure' of a job that has failed: it has no steps", from)
  const names = `one of its steps: ${steps.map((name) => JSON.stringify(name)).join(', ')}`
  return optionError('from', from === 'last-failure' ? `${names}; none of them has failed` : names, from)
}

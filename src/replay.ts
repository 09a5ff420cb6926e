import { decode } from './core/codec.ts'
import { pause, systemClock } from './core/clock.ts'
import type { JobContext } from './core/context.ts'
import type { AnyJob } from './core/definition.ts'
import type { DurableAttempt, DurableContext } from './core/durable.ts'
import { LegworkError, optionError } from './core/errors.ts'
import { Emitter } from './core/events.ts'
import { firingOf } from './core/firing.ts'
import { isFinal } from './core/states.ts'
import type { TakeLock } from './core/lock.ts'
import type { JobHistory } from './store/history.ts'
import type { Middleware } from './worker/executor.ts'
import { Run } from './workflow/run.ts'
import { type Difference, differenceOf, type Ending } from './workflow/replay-difference.ts'
import { replayJournal } from './workflow/replay-journal.ts'

export interface ReplayOptions {
  /** The middleware of the engine, if it has any that asks for steps or gives handlers what they need. */
  readonly use?: readonly Middleware[]
}

/** How long a handler may do something that is no step, in real milliseconds. */
const patience = 5_000
/** The same, when a step that it has asked for is not answered. */
const patienceWhenStuck = 100

/**
 * Runs the handler of a job against what the job remembers, with no step executed and nothing written: it must ask for the
 * same steps, by name and kind. A job that had not completed may go on to new ones from there. Code between steps runs.
 * @param history what `ref.history()` gave, here or in production, also after a trip through JSON
 * @throws LW_REPLAY_DIFFERS with the first difference, LW_INPUT_INVALID when the schema refuses the input,
 *  LW_OPTION_INVALID when this is no history of such a job
 * @example await replayHistory(placeOrder, JSON.parse(await readFile('order-1234.json', 'utf8')))
 */
export async function replayHistory(
  definition: AnyJob,
  history: JobHistory,
  { use = [] }: ReplayOptions = {},
): Promise<void> {
  check(definition, history)
  const { name, input: wire } = history.job
  const what = { code: 'LW_INPUT_INVALID', label: `Input of job "${name}" in its history` } as const
  const input = await decode(definition.inputSchema, wire, what)
  const asked = new Map<string, string>()
  const ending = await play(definition, history, input, use, (step, kind) => asked.set(step, kind))
  const difference = differenceOf(history, asked, ending)
  if (difference) throw differs(history, difference)
}

function check(definition: AnyJob, history: JobHistory): void {
  const given = history as JobHistory | undefined | null
  if (given?.format !== 1 || !Array.isArray(given.steps))
    throw optionError('history', 'what ref.history() gave', history)
  if (given.job.name !== definition.name)
    throw optionError('history', `of a job named "${definition.name}"`, given.job.name)
  if (!definition.handler || definition.isolate)
    throw optionError('definition', 'one with a handler that is not isolated', definition.name)
}

/** The handler runs as in a job that is being undone: it gets what is remembered, and nothing begins. */
async function play(
  definition: AnyJob,
  history: JobHistory,
  input: unknown,
  use: readonly Middleware[],
  onAsked: (name: string, kind: string) => void,
): Promise<Ending> {
  let onStuck = (): void => undefined
  const stuck = new Promise<void>((resolve) => (onStuck = resolve))
  const attempt = attemptOf(definition, history, onAsked, onStuck)
  const run = new Run(attempt, {
    clock: systemClock,
    journal: replayJournal(history),
    events: new Emitter(),
    family: { prepare: beginsNothing, prepareCall: beginsNothing, onBegun: () => undefined, cancel: beginsNothing },
    tokens: { terms: noTerms, sign: () => 'a token' },
    onError: () => undefined,
  })
  const context = contextOf(definition, history, input, run.context)
  const call = async (): Promise<unknown> => definition.handler?.(context)
  const work = use.reduceRight<() => Promise<unknown>>((next, layer) => async () => layer(context, next), call)
  try {
    return await endingOf(work(), stuck)
  } finally {
    await run.conclude({ kind: 'released' })
  }
}

async function endingOf(work: Promise<unknown>, stuck: Promise<void>): Promise<Ending> {
  const over = new AbortController()
  const after = (ms: number) => pause(systemClock, ms, over.signal)
  try {
    return await Promise.race<Ending>([
      work.then(
        () => ({ how: 'ended' }),
        (error: unknown) => ({ how: 'threw', error }),
      ),
      stuck.then(() => after(patienceWhenStuck)).then(() => ({ how: 'stuck' })),
      after(patience).then(() => ({ how: 'late' })),
    ])
  } finally {
    over.abort()
  }
}

function attemptOf(
  { retry, signals, inputSchema, checkpointSchema }: AnyJob,
  { job: { id, name, queue, idempotencyKey } }: JobHistory,
  onAsked: (name: string, kind: string) => void,
  onStuck: () => void,
): DurableAttempt {
  const { signal } = new AbortController()
  return {
    job: { id, slot: 0, claim: 2, name },
    event: { id, name, queue },
    retry,
    signals,
    idempotencyKey,
    onAsked,
    signal: () => signal,
    reason: () => undefined,
    restarts: 0,
    input: inputSchema,
    checkpoint: checkpointSchema,
    end: onStuck,
  }
}

function contextOf(definition: AnyJob, { job }: JobHistory, input: unknown, durable: DurableContext): JobContext {
  const { id, name, queue, priority, key, version, tags, headers, traceparent, enqueuedAt, idempotencyKey, schedule } =
    job
  const quiet = () => undefined
  return {
    id,
    name,
    queue,
    attempt: attemptOfNextRun(job),
    priority,
    key,
    version,
    tags,
    headers,
    traceparent,
    idempotencyKey,
    input,
    attempts: definition.retry.attempts,
    enqueuedAt: new Date(enqueuedAt),
    signal: new AbortController().signal,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    progress: quiet,
    slowDown: async () => undefined,
    schedule: schedule && { ...firingOf(schedule), lastSuccess: async () => undefined },
    lock: lockNobody,
    ...durable,
  }
}

/** A job that waits is run with the next attempt; of one that has ended it is the last one that counts. */
function attemptOfNextRun({ state, attempt }: JobHistory['job']): number {
  return isFinal(state) || state === 'running' ? attempt : attempt + 1
}

/** What is done under a lock asks for its steps all the same. */
const lockNobody: TakeLock = async (name, ...rest) => {
  const work = rest.length === 1 ? rest[0] : rest[1]
  return work({ name, token: 0n, signal: new AbortController().signal })
}

function noTerms(): never {
  throw new Error('nothing begins in a replay')
}

function beginsNothing(): Promise<never> {
  return Promise.reject(new Error('legwork: a replay begins nothing'))
}

function differs({ job: { id, name } }: JobHistory, { text, step, cause }: Difference): LegworkError {
  return new LegworkError('LW_REPLAY_DIFFERS', `Job ${id} (${name}), run again, ${text}.`, {
    hint: 'Which steps a handler asks for may depend on its input and on what steps gave, and on nothing else.',
    details: { job: id, name, ...(step !== undefined && { step }) },
    ...(cause !== undefined && { cause }),
  })
}

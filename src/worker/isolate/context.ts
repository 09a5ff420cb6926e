import { toJson, toLogJson } from '../../core/codec.ts'
import type { JobContext, JobFacts, JobLog, LogLevel, LogMethod } from '../../core/context.ts'
import { LegworkError } from '../../core/errors.ts'
import { firingOf, type ScheduleFacts, type StoredFiring } from '../../core/firing.ts'
import type { Link } from './link.ts'
import type { FromIsolated, IsolatedFacts } from './protocol.ts'

/** Parts of a handler's context that stay on the other side, with the engine: what remembers steps, and transactions. */
const unavailable = [
  'artifacts',
  'checkpoint',
  'commit',
  'enqueue',
  'now',
  'random',
  'restart',
  'run',
  'runAll',
  'signalToken',
  'sleep',
  'sleepUntil',
  'step',
  'stream',
  'tx',
  'uuid',
  'waitFor',
]

/** What the context of an isolated handler is made of. */
export interface ContextParts {
  readonly job: string
  readonly input: unknown
  readonly facts: IsolatedFacts
  readonly signal: AbortSignal
  readonly send: (message: FromIsolated) => void
  readonly link: Link
}

/**
 * The context of an isolated handler. What cannot cross throws LW_ISOLATE_UNAVAILABLE when it is touched,
 * so that a handler that asks for it fails at its first line.
 */
export function isolatedContext({ job, input, facts, signal, send, link }: ContextParts): JobContext {
  const progress = (value: unknown, message?: string): void => {
    const told = message === undefined ? value : { percent: value, message }
    send({ type: 'progress', value: toJson(told, `Progress of job "${job}"`) })
  }
  const schedule = scheduleOf(facts['schedule'] as StoredFiring | undefined, link)
  const { lock, slowDown } = link
  const own = { schedule, input, signal, progress, log: logTo(send), lock, slowDown }
  const context = { ...(withDates(facts) as unknown as JobFacts), ...own }
  for (const name of unavailable) {
    if (!(name in context)) Object.defineProperty(context, name, { get: () => refuse(job, name) })
  }
  return context as unknown as JobContext
}

function logTo(send: ContextParts['send']): JobLog {
  const method =
    (level: LogLevel): LogMethod =>
    (message, data) =>
      send({ type: 'log', level, message, data: toLogJson(data) })
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') }
}

function scheduleOf(stored: StoredFiring | undefined, { lastSuccess }: Link): ScheduleFacts | undefined {
  return stored && { ...firingOf(stored), lastSuccess }
}

function withDates(facts: IsolatedFacts): Record<string, unknown> {
  const dates = Object.entries(facts).filter(([name, value]) => name.endsWith('At') && typeof value === 'string')
  return { ...facts, ...Object.fromEntries(dates.map(([name, value]) => [name, new Date(value as string)])) }
}

function refuse(job: string, name: string): never {
  throw new LegworkError(
    'LW_ISOLATE_UNAVAILABLE',
    `The isolated handler of job "${job}" used ${name}, which only exists beside the engine.`,
    {
      hint: 'Return the data instead, or take the option isolate away.',
      details: { name },
    },
  )
}

import { serializeError } from '../core/errors.ts'
import type { Emitter, EventName } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import { breakerPrefix } from '../core/limit.ts'
import type { BreakerTurn } from '../store/queries/limits.ts'
import type { Ending, Return } from '../store/queries/settle.ts'
import type { Held } from './running.ts'

/** An outcome on its way to the database: what it becomes there, and what the hooks hear of it. */
export interface Settlement {
  readonly held: Held
  readonly outcome: Outcome
}

const returning: ReadonlySet<Outcome['kind']> = new Set<Return['outcome']>([
  'retry',
  'snooze',
  'released',
  'parked',
  'restarted',
])

/** Whether the job goes back to wait instead of ending. */
export function isReturn(outcome: Outcome): outcome is Extract<Outcome, { kind: Return['outcome'] }> {
  return returning.has(outcome.kind)
}

/** The rows of outcomes: of those that end their jobs, and of those that return them. */
export function rowsOf(settlements: readonly Settlement[]): { endings: Ending[]; returns: Return[] } {
  const endings: Ending[] = []
  const returns: Return[] = []
  for (const { held, outcome } of settlements) {
    switch (outcome.kind) {
      case 'completed':
        endings.push(ending(held, 'completed', outcome.output))
        break
      case 'dead':
        endings.push(ending(held, 'dead', null, JSON.stringify(outcome.error), outcome.reason))
        break
      case 'cancelled':
        endings.push(
          ending(held, 'cancelled', null, outcome.error ? JSON.stringify(outcome.error) : null, outcome.reason),
        )
        break
      case 'compensated':
      case 'compensation_failed': {
        const error = outcome.error ? JSON.stringify(outcome.error) : null
        endings.push(ending(held, outcome.kind, null, error, outcome.reason))
        break
      }
      default:
        returns.push(returnOf(held, outcome))
    }
  }
  return { endings, returns }
}

/** A row of the history. */
export function ending(
  held: Held,
  state: Ending['state'],
  output: string | null,
  error: string | null = null,
  reason: string | null = null,
): Ending {
  const { id, claim, key, awaited } = held.job
  return {
    id,
    claim,
    state,
    output,
    error,
    reason,
    key,
    awaited,
    ...placesOf(held),
    ...(held.refused && { refused: true }),
    ...(blocks(held, state) && { keepsKey: true }),
  }
}

/** Whether nothing of its key may run until a person has looked at it. */
function blocks({ keyFailure, job }: Held, state: Ending['state']): boolean {
  return keyFailure === 'block' && (state === 'dead' || state === 'compensation_failed') && job.key !== undefined
}

/** Nothing for nearly all jobs. */
function placesOf({ limited, slow }: Held): { limited?: true; slow?: number } | undefined {
  return limited ? { limited, slow } : undefined
}

/** Its deadline is over with: what has begun never expires. */
function begunOf({ job, startedAt }: Held): { begun?: true } | undefined {
  return startedAt !== undefined && job.options['startBy'] !== undefined ? { begun: true } : undefined
}

function yieldOf({ keyFailure, job: { key } }: Held): { yields?: string } | undefined {
  return keyFailure === 'park' && key !== undefined ? { yields: key } : undefined
}

function returnOf(held: Held, outcome: Extract<Outcome, { kind: Return['outcome'] }>): Return {
  const job = { id: held.job.id, claim: held.job.claim, ...placesOf(held), ...begunOf(held) }
  switch (outcome.kind) {
    case 'retry':
      return { ...job, ...yieldOf(held), outcome: 'retry', delay: outcome.delay, error: JSON.stringify(outcome.error) }
    case 'snooze': {
      const error = serializeError({ name: 'Snooze', message: outcome.reason })
      return { ...job, outcome: 'snooze', delay: outcome.delay, error: JSON.stringify(error) }
    }
    case 'released':
      return { ...job, outcome: 'released', delay: 0, error: null }
    case 'parked':
      return { ...job, outcome: 'parked', delay: outcome.delay, wakes: outcome.wakes, error: null }
    case 'restarted': {
      const { input, restarts } = outcome
      return { ...job, outcome: 'restarted', delay: 0, error: null, again: { input, restarts } }
    }
  }
}

const eventOf = {
  completed: 'completed',
  retry: 'retrying',
  snooze: 'snoozed',
  dead: 'dead',
  cancelled: 'cancelled',
  released: 'released',
  parked: 'parked',
  restarted: 'restarted',
  compensated: 'compensated',
  compensation_failed: 'compensation_failed',
} as const satisfies Record<Outcome['kind'], EventName>

/** Tells the hooks of an outcome that has been written. */
export function announce(events: Emitter, held: Held, outcome: Outcome): void {
  if (!events.heard(eventOf[outcome.kind])) return
  const { job } = held
  switch (outcome.kind) {
    case 'completed': {
      const ms = performance.now() - (held.startedAt ?? performance.now())
      // written out: this happens for every job, and spreading `event` costs more than all the rest
      return events.emit('completed', { id: job.id, name: job.name, queue: held.queue, attempt: job.attempt, ms })
    }
    case 'retry':
      return events.emit('retrying', {
        ...held.event,
        attempt: job.attempt,
        delay: outcome.delay,
        error: outcome.error,
      })
    case 'snooze':
      return events.emit('snoozed', { ...held.event, delay: outcome.delay, reason: outcome.reason })
    case 'dead':
      return events.emit('dead', { ...held.event, attempt: job.attempt, reason: outcome.reason, error: outcome.error })
    case 'cancelled':
      return events.emit('cancelled', { ...held.event, reason: outcome.reason })
    case 'released':
      return events.emit('released', held.event)
    case 'parked':
      return events.emit('parked', { ...held.event, delay: outcome.delay })
    case 'restarted':
      return events.emit('restarted', { ...held.event, restarts: outcome.restarts })
    case 'compensated':
      return events.emit('compensated', { ...held.event, reason: outcome.reason, error: outcome.error })
    case 'compensation_failed':
      return events.emit('compensation_failed', { ...held.event, reason: outcome.reason, error: outcome.error })
  }
}

/** Tells the hooks of a breaker that jobs of this process have opened or closed. */
export function announceTurn(events: Emitter, { name, open, reason = '', openFor = 0 }: BreakerTurn): void {
  const breaker = name.slice(breakerPrefix.length)
  if (open) events.emit('breaker_opened', { breaker, reason, openFor })
  else events.emit('breaker_closed', { breaker })
}

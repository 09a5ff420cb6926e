import { serializeError } from '../core/errors.ts'
import type { Emitter, EventName } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Ending, Return } from '../store/queries/settle.ts'
import type { Held } from './running.ts'

/** An outcome on its way to the database: what it becomes there, and what the hooks hear of it. */
export interface Settlement {
  readonly held: Held
  readonly outcome: Outcome
}

/** Whether the job goes back to wait instead of ending. */
export function isReturn(outcome: Outcome): outcome is Extract<Outcome, { kind: 'retry' | 'snooze' | 'released' }> {
  return outcome.kind === 'retry' || outcome.kind === 'snooze' || outcome.kind === 'released'
}

/** The row of an outcome that ends its job; none for one that returns it. */
export function endingOf({ held, outcome }: Settlement): Ending[] {
  switch (outcome.kind) {
    case 'completed':
      return [ending(held, 'completed', { output: outcome.output })]
    case 'dead':
      return [ending(held, 'dead', { error: JSON.stringify(outcome.error), reason: outcome.reason })]
    case 'cancelled':
      return [ending(held, 'cancelled', { reason: outcome.reason })]
    default:
      return []
  }
}

/** A row of the history, with what is not the common case in `rest`. */
export function ending(
  held: Held,
  state: Ending['state'],
  rest: Partial<Pick<Ending, 'output' | 'error' | 'reason'>>,
): Ending {
  const { id, claim, key } = held.job
  return { id, claim, state, output: null, error: null, reason: null, keyed: key !== undefined, ...rest }
}

/** The row of an outcome that returns its job; none for one that ends it. */
export function returnOf({ held, outcome }: Settlement): Return[] {
  const { id, claim } = held.job
  switch (outcome.kind) {
    case 'retry':
      return [{ id, claim, outcome: 'retry', delay: outcome.delay, error: JSON.stringify(outcome.error) }]
    case 'snooze':
      return [
        {
          id,
          claim,
          outcome: 'snooze',
          delay: outcome.delay,
          error: JSON.stringify(serializeError({ name: 'Snooze', message: outcome.reason })),
        },
      ]
    case 'released':
      return [{ id, claim, outcome: 'released', delay: 0, error: null }]
    default:
      return []
  }
}

const eventOf = {
  completed: 'completed',
  retry: 'retrying',
  snooze: 'snoozed',
  dead: 'dead',
  cancelled: 'cancelled',
  released: 'released',
} as const satisfies Record<Outcome['kind'], EventName>

/** Tells the hooks of an outcome that has been written. */
export function announce(events: Emitter, held: Held, outcome: Outcome): void {
  if (!events.heard(eventOf[outcome.kind])) return
  const { event, job } = held
  switch (outcome.kind) {
    case 'completed':
      return events.emit('completed', {
        ...event,
        attempt: job.attempt,
        ms: performance.now() - (held.startedAt ?? performance.now()),
      })
    case 'retry':
      return events.emit('retrying', { ...event, attempt: job.attempt, delay: outcome.delay, error: outcome.error })
    case 'snooze':
      return events.emit('snoozed', { ...event, delay: outcome.delay, reason: outcome.reason })
    case 'dead':
      return events.emit('dead', { ...event, attempt: job.attempt, reason: outcome.reason, error: outcome.error })
    case 'cancelled':
      return events.emit('cancelled', { ...event, reason: outcome.reason })
    case 'released':
      return events.emit('released', event)
  }
}

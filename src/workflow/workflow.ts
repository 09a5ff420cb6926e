import type { Clock } from '../core/clock.ts'
import type { Durability } from '../core/durable.ts'
import type { Emitter } from '../core/events.ts'
import type { Store } from '../store/store.ts'
import type { Family } from './children.ts'
import { Journal } from './journal.ts'
import { Run, type TokenMaker } from './run.ts'

export interface WorkflowParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly workerId: () => number
  readonly family: Family
  readonly tokens: TokenMaker
  /** Called when something of this job was written. */
  readonly onWritten: (id: string) => void
}

/** What makes the jobs of a worker durable: one journal for all, a run for each attempt that has steps. */
export function createWorkflow({
  store,
  clock,
  events,
  workerId,
  family,
  tokens,
  onWritten,
}: WorkflowParts): Durability {
  const journal = new Journal(store, workerId, onWritten)
  const onError = (error: unknown) => events.emit('error', { during: 'undoing a job', error })
  return {
    begin: (attempt) => new Run(attempt, { clock, journal, events, family, tokens, onError }),
    drained: () => journal.drained(),
  }
}

import type { Clock } from './core/clock.ts'
import type { AnyJob } from './core/definition.ts'
import { newsOf, prepare, prepareCall } from './enqueue.ts'
import { cancelChildren } from './live/cancel.ts'
import type { Hub } from './live/hub.ts'
import type { Store } from './store/store.ts'
import type { Family } from './workflow/children.ts'

/** What durable jobs need of the engine to run other jobs. */
export function createFamily({
  store,
  hub,
  clock,
}: {
  readonly store: Store
  readonly hub: Hub
  readonly clock: Clock
}): Family {
  return {
    prepare(job, input, { name: _name, detach: _detach, ...options }) {
      return prepare(job as AnyJob, input, options)
    },
    prepareCall,
    onBegun: (rows) => hub.tell(newsOf(rows, clock.now())),
    cancel: (parent, reason) => cancelChildren({ store, hub }, parent, reason),
  }
}

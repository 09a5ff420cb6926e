import type { Clock } from './core/clock.ts'
import type { Emitter } from './core/events.ts'
import type { Hub } from './live/hub.ts'
import { Locks } from './lock/locks.ts'
import type { Store } from './store/store.ts'

interface LocksParts {
  readonly store: Store
  readonly clock: Clock
  readonly events: Emitter
  readonly hub: Hub
}

/** The locks of this process, which tell others by hints that one is free. */
export function createLocks({ store, clock, events, hub }: LocksParts): Locks {
  return new Locks({
    store,
    clock,
    events,
    tellFreed: (name) => hub.tell({ freed: [name] }),
    onFreed: (look) => hub.subscribe(({ freed }) => freed?.length && look(freed)),
  })
}

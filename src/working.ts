import type { LegworkOptions, WorkOptions } from './api.ts'
import { bulkJob } from './bulk.ts'
import type { AnyJob } from './core/definition.ts'
import type { Emitter } from './core/events.ts'
import type { Scheduler } from './schedule/scheduler.ts'
import type { LockOfAttempt } from './core/lock.ts'
import { createFamily } from './family.ts'
import { cancelChildren } from './live/cancel.ts'
import type { RefParts } from './live/ref.ts'
import { workerOptions } from './settings.ts'
import type { Retention } from './store/queries/upkeep.ts'
import { Worker } from './worker/worker.ts'
import type { TokenMaker } from './workflow/run.ts'
import { createWorkflow } from './workflow/workflow.ts'

interface WorkingParts {
  readonly retention: Retention
  readonly use: NonNullable<LegworkOptions['use']>
  readonly tokens: TokenMaker
  readonly scheduler: Scheduler
  readonly lock: LockOfAttempt
}

/** The worker of an engine: tells the hub what it changes, and hears from it what others do. It has not started yet. */
export function createWorker(
  { retention, use, tokens, scheduler, lock }: WorkingParts,
  refs: RefParts,
  events: Emitter,
  options: WorkOptions,
): Worker {
  const { store, clock, hub } = refs
  const family = createFamily({ store, clock, hub })
  const onWritten = (id: string) => hub.tellHere({ changed: [id] })
  const worker = new Worker({
    store,
    clock,
    events,
    lock,
    definitions: withOwn(refs.definitions, bulkJob(refs)),
    durable: (workerId) => createWorkflow({ store, clock, events, workerId, family, tokens, onWritten }),
    options: workerOptions(options, retention, use),
    onWritten: ({ ended, fed, returned, woken }) => hub.tell({ ended, changed: [...fed, ...returned], woken }),
    schedules: { fireDue: () => scheduler.fireDue(), renewSchedules: () => scheduler.renew() },
    onDeadParent: (id) => cancelChildren(refs, id, `its parent, job ${id}, has ended`),
  })
  hub.subscribe(
    (hint) => {
      if (hint.woken?.length) worker.wake(hint.woken)
      if (hint.enqueued?.length) worker.wakeNamed(hint.enqueued)
      if (hint.cancel?.length) worker.lookAfter(hint.cancel)
      if (hint.queues) void worker.discover()
      if (hint.schedules === true) {
        scheduler.nudge()
        worker.expect(0)
      }
      if (hint.due !== undefined) worker.expect(hint.due)
    },
    () => {
      scheduler.nudge()
      void worker.reconnected()
    },
  )
  return worker
}

/** The engine's own jobs beside those of the application. */
function withOwn(definitions: ReadonlyMap<string, AnyJob>, ...own: readonly AnyJob[]): ReadonlyMap<string, AnyJob> {
  return new Map([...definitions, ...own.map((job) => [job.name, job] as const)])
}

import { LegworkError, show } from './core/errors.ts'
import type { Emitter } from './core/events.ts'
import type { Schedule } from './core/schedule.ts'
import { nearest } from './core/suggest.ts'
import { type Calendars, inputMaker } from './drafts.ts'
import { newsOf } from './enqueue.ts'
import { cancelChildren } from './live/cancel.ts'
import type { RefParts } from './live/ref.ts'
import type { PlanParts } from './schedule/plan.ts'
import type { ScheduleRow } from './store/queries/schedules.ts'
import type { Carried, FiringPlan, Standing } from './store/scheduling.ts'

export interface AccessParts {
  readonly refs: RefParts
  readonly events: Emitter
  readonly schedules: readonly Schedule[]
  readonly calendars: Calendars
}

/** How the operations reach a schedule. Those that name one throw LW_SCHEDULE_UNKNOWN when there is none of that id. */
export interface Access extends AccessParts {
  /** The schedules in the code of this process. */
  readonly known: ReadonlyMap<string, Schedule>
  readonly plans: PlanParts
  readonly row: (id: string) => Promise<ScheduleRow>
  /** Decides on a schedule while nobody else can, carries it out, and tells who must know. */
  readonly change: (id: string, plan: (standing: Standing, now: Date) => Promise<FiringPlan>) => Promise<Carried>
  readonly remove: (id: string) => Promise<void>
  /** Tells workers, callers and children of what was carried out. */
  readonly tell: (carried: Carried) => Promise<void>
}

export function createAccess(parts: AccessParts): Access {
  const { refs, events, schedules } = parts
  const { store, hub } = refs
  const known = new Map(schedules.map((schedule) => [schedule.id, schedule]))
  const unknown = async (id: string) =>
    missing(
      id,
      (await store.schedules()).map((row) => row.id),
    )
  return {
    ...parts,
    known,
    plans: { makerOf: (id) => inputMaker(known.get(id)) },
    row: async (id) => {
      const [found] = await store.schedules(id)
      if (!found) throw await unknown(id)
      return found
    },
    change: async (id, plan) => {
      const carried = await store.fireOne(id, plan)
      if (!carried) throw await unknown(id)
      await tell(refs, carried)
      for (const { schedule, nominal, job, kind } of carried.fired)
        events.emit('fired', { schedule, nominal, job, kind })
      hub.tell({ schedules: true })
      return carried
    },
    remove: async (id) => {
      if (!(await store.removeSchedule(id))) throw await unknown(id)
    },
    tell: (carried) => tell(refs, carried),
  }
}

async function tell({ store, hub }: RefParts, { fired, stopped, ended, parents, woken }: Carried): Promise<void> {
  if (fired.length > 0)
    hub.tell(
      newsOf(
        fired.map(({ row }) => row),
        0,
      ),
    )
  if (stopped.length + woken.length > 0) hub.tell({ cancel: stopped, changed: stopped, ended, woken })
  for (const parent of parents) await cancelChildren({ store, hub }, parent, 'its parent was ended by a schedule')
}

function missing(id: string, ids: readonly string[]): LegworkError {
  const guess = nearest(id, ids)
  return new LegworkError('LW_SCHEDULE_UNKNOWN', `There is no schedule ${show(id)}.`, {
    hint: guess === undefined ? 'lw.schedules.list() has them all.' : `Did you mean ${show(guess)}?`,
    details: { id, ...(guess !== undefined && { nearest: guess }) },
  })
}

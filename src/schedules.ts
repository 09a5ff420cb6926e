import { changeOf, pauseOf } from './changes.ts'
import { LegworkError, optionError, show } from './core/errors.ts'
import { instant } from './core/instant.ts'
import type { Schedule } from './core/schedule.ts'
import { text } from './core/text.ts'
import { type Calendars, draftOf, zoneData } from './drafts.ts'
import type { RefParts } from './live/ref.ts'
import { type Access, type AccessParts, createAccess } from './schedule-access.ts'
import type { Schedules } from './schedule-api.ts'
import { reading } from './schedule-reading.ts'
import { running } from './schedule-runs.ts'
import { paused, resumed, stateOf, unchanged } from './schedule/plan.ts'
import { Scheduler } from './schedule/scheduler.ts'
import { stateOfDraft } from './schedule/state.ts'

/** The operations on schedules, and what a worker fires them with. */
export function createSchedules(parts: AccessParts): { operations: Schedules; scheduler: Scheduler } {
  const access = createAccess(parts)
  const {
    refs: { store, clock },
    events,
    schedules,
  } = parts
  const dynamic = schedules.filter(({ input }) => typeof input === 'function').map(({ id }) => id)
  const scheduler = new Scheduler({
    ...access.plans,
    store,
    clock,
    events,
    zoneData,
    named: () => [...access.known.keys()],
    dynamic: () => dynamic,
    onCarried: (carried) => access.tell(carried),
  })
  return { scheduler, operations: { ...reading(access), ...running(access), ...pausing(access), ...managing(access) } }
}

/** Writes the schedules of this process; those that are the same already are left alone. */
export async function saveOwn(
  store: RefParts['store'],
  schedules: readonly Schedule[],
  calendars: Calendars,
): Promise<boolean> {
  const drafts = await Promise.all(schedules.map(async (schedule) => draftOf(schedule, 'code', calendars)))
  const changed = await store.saveSchedules(drafts, zoneData, (draft, difference) =>
    stateOfDraft(draft, difference, zoneData),
  )
  if (schedules.length > 0) await store.seeSchedules(schedules.map(({ id }) => id))
  return changed.length > 0
}

/** Puts schedules on hold and lets them go on. */
function pausing({
  refs: { store },
  row: rowOf,
  change,
}: Access): Pick<Schedules, 'pause' | 'resume' | 'pauseHistory'> {
  return {
    pause: async (id, { reason, by: given, until } = {}) => {
      const end = instant(until, 'until')
      const because = text(reason, 'reason') ?? 'paused by request'
      const by = text(given, 'by')
      await change(id, async ({ row }, now) => ({
        ...unchanged(row),
        state: paused(row, now, because, by, end),
        by,
      }))
    },
    resume: async (id, { by: given } = {}) => {
      const by = text(given, 'by')
      await change(id, async ({ row }, now) => ({
        ...unchanged(row),
        state: row.pausedAt ? resumed(row, now) : stateOf(row),
        by,
      }))
    },
    pauseHistory: async (id) => {
      await rowOf(id)
      return (await store.settingHistory('schedule', id)).map((row) => changeOf(row, pauseOf))
    },
  }
}

/** Schedules that live in the database alone. */
function managing({ refs: { store, hub }, known, calendars, remove }: Access): Pick<Schedules, 'put' | 'remove'> {
  return {
    put: async (given) => {
      if (typeof given.input === 'function')
        throw optionError('input', 'no function: nobody could call it after a restart', given.input)
      const [there] = await store.schedules(given.id)
      if (known.has(given.id) || there?.origin === 'code')
        throw new LegworkError('LW_SCHEDULE_TAKEN', `Schedule ${show(given.id)} is in the code.`, {
          hint: 'Change it there, or choose another id.',
        })
      const draft = await draftOf(given, 'api', calendars)
      await store.saveSchedules([draft], zoneData, (one, difference) => stateOfDraft(one, difference, zoneData))
      hub.tell({ schedules: true })
    },
    remove: async (id) => {
      await remove(id)
      hub.tell({ schedules: true })
    },
  }
}

import { type CalendarRules, wireSpec } from './core/calendar/spec.ts'
import { pause, systemClock } from './core/clock.ts'
import type { AnyJob } from './core/definition.ts'
import { LegworkError, optionError, show } from './core/errors.ts'
import type { Schedule } from './core/schedule.ts'
import { prepare } from './enqueue.ts'
import type { InputMaker } from './schedule/plan.ts'
import { timetableOf, withCalendars } from './schedule/timetables.ts'
import type { ScheduleDraft } from './store/queries/schedules.ts'

/** Times that have a name, for `exclude` and `only`. */
export type Calendars = Readonly<Record<string, CalendarRules>>

/** Version of the time zone data of this process. */
export const zoneData: string = process.versions['tz'] ?? 'unknown'

/** Checks what was given as schedules. @throws LW_OPTION_INVALID, LW_SCHEDULE_TAKEN */
export function checkSchedules(schedules: readonly Schedule[]): void {
  if (!Array.isArray(schedules)) throw optionError('schedules', 'a list of what schedule() returns', schedules)
  const ids = new Set<string>()
  for (const one of schedules as readonly Partial<Schedule>[]) {
    if (typeof one?.id !== 'string' || !one.policy)
      throw optionError('schedules', 'a list of what schedule() returns', one)
    if (ids.has(one.id))
      throw new LegworkError('LW_SCHEDULE_TAKEN', `Two schedules have the id ${show(one.id)}.`, {
        hint: 'Give each its own.',
      })
    ids.add(one.id)
  }
}

/** A schedule as it is stored, its rule and its input checked. @throws LW_OPTION_INVALID, LW_INPUT_INVALID */
export async function draftOf(
  { id, spec: given, policy, job, input, options }: Schedule,
  origin: 'code' | 'api',
  calendars: Calendars,
): Promise<ScheduleDraft> {
  const spec = wireSpec(withCalendars(given, calendars))
  timetableOf(spec, id)
  const dynamic = typeof input === 'function'
  // what does not depend on the input, of a job whose input is made later
  const row = dynamic
    ? await prepare({ ...job, inputSchema: undefined, key: undefined } as AnyJob, undefined, options)
    : await prepare(job, input, options)
  const { name, queue, priority, tags, key, headers } = row
  if (policy.overlapScope === 'key' && key === undefined)
    throw optionError('overlapScope', "'schedule' for a job whose key is not known beforehand", 'key')
  return {
    id,
    origin,
    spec,
    policy,
    dynamic,
    job: {
      name,
      queue,
      priority,
      tags,
      key,
      ...(headers !== null && { headers: JSON.parse(headers) }),
      ...(row.options !== null && { options: JSON.parse(row.options) }),
    },
    input: dynamic ? null : row.input,
  }
}

/** How long a function may take to make an input, in real milliseconds: a transaction waits for it. */
const patience = 5_000
const overdue = Symbol('late')

function tooLate(id: string): LegworkError {
  return new LegworkError('LW_OPTION_INVALID', `The input function of schedule ${show(id)} took longer than 5 s.`, {
    hint: 'The transaction that fires waits for it, so it must not use the engine either. Do the work in the job.',
    details: { option: 'input' },
  })
}

/** What makes the jobs of a schedule whose input is a function. */
export function inputMaker(schedule: Schedule | undefined): InputMaker | undefined {
  if (!schedule || typeof schedule.input !== 'function') return undefined
  const { job, input, options } = schedule
  return async (firing) => {
    const over = new AbortController()
    const late = pause(systemClock, patience, over.signal).then(() => overdue)
    try {
      const made: unknown = await Promise.race([input(firing), late])
      if (made === overdue) throw tooLate(schedule.id)
      return await prepare(job, made, options)
    } finally {
      over.abort()
    }
  }
}

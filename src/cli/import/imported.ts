import type { CalendarRules, TimetableSpec } from '../../core/calendar/spec.ts'
import { timetable } from '../../core/calendar/timetable.ts'
import { LegworkError } from '../../core/errors.ts'

/** A schedule of another system in our form. */
export interface ImportedSchedule {
  readonly id: string
  readonly spec: TimetableSpec
  /** Policies, and what its jobs get: the options of `schedule()` under their own names. */
  readonly options: Readonly<Record<string, unknown>>
  readonly job: ImportedJob
  readonly input?: unknown
  /** It was switched off where it comes from. */
  readonly isOff?: boolean
  /** Where it stood. */
  readonly where: string
}

/** A job that schedules refer to: one that is still to be written, or one whose handler comes along. */
export interface ImportedJob {
  readonly name: string
  readonly kind: 'unwritten' | 'command' | 'http'
}

/** Something that is not the same any more. */
export interface Note {
  readonly where: string
  /** `left out`: there is no schedule; `changed`: it does something else now; `lost`: a part has no counterpart. */
  readonly kind: 'left out' | 'changed' | 'lost'
  readonly text: string
}

export interface Imported {
  readonly schedules: readonly (ImportedSchedule & { readonly sentence: string })[]
  readonly notes: readonly Note[]
}

/** What an importer may be told beside the text. */
export interface ImportOptions {
  /** The zone of what names none. */
  readonly timezone?: string
  /** A crontab whose sixth field is a user. */
  readonly isSystem?: boolean
}

/** Collects what an importer finds: only schedules that are valid, each with an id of its own. */
export class Findings implements Imported {
  readonly schedules: (ImportedSchedule & { sentence: string })[] = []
  readonly notes: Note[] = []
  readonly #ids = new Set<string>()

  /** Returns nothing, so that who leaves something out can return that. */
  note(where: string, kind: Note['kind'], text: string): undefined {
    this.notes.push({ where, kind, text })
  }

  add(schedule: ImportedSchedule): void {
    const id = this.#free(schedule.id)
    try {
      const sentence = timetable(schedule.spec, { seed: id, calendars: namedIn(schedule.spec) }).describe()
      this.schedules.push({ ...schedule, id, sentence })
      this.#ids.add(id)
    } catch (error) {
      if (!(error instanceof LegworkError)) throw error
      return this.note(schedule.where, 'left out', error.message.replace(/ \[LW_\w+\]$/, ''))
    }
    if (schedule.isOff)
      this.note(schedule.where, 'changed', 'It was switched off, so it is defined but not in the list of schedules.')
  }

  #free(wanted: string): string {
    const id = wanted.trim().slice(0, 190) || 'schedule'
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? id : `${id}-${n}`
      if (!this.#ids.has(candidate)) return candidate
    }
  }
}

/** Calendars are defined later, so any does for the check. */
function namedIn({ exclude }: TimetableSpec): Readonly<Record<string, CalendarRules>> {
  const names = typeof exclude === 'string' ? [exclude] : []
  return Object.fromEntries(names.map((name) => [name, { dates: '1970-01-01' }]))
}

import { LegworkError, show } from './core/errors.ts'
import type { StoredRule } from './core/limit.ts'
import { nearest } from './core/suggest.ts'
import type { SettingRow } from './store/queries/settings.ts'

/** A change at run time. */
export interface SettingChange<T> {
  readonly version: number
  readonly at: Date
  readonly by: string
  /** What was set before, and what after; undefined where it was what code says, or nothing yet. */
  readonly from: T | undefined
  readonly to: T | undefined
}

export interface ChangedBy {
  /** Who changes it, for the history. Default: the database role. */
  readonly by?: string
}

/** Whether a queue or a schedule was paused. */
export interface PauseSetting {
  readonly paused: boolean
  readonly reason?: string
  /** When a schedule goes on by itself. */
  readonly until?: Date
}

/** A change as the history tells it. */
export function changeOf<T>(row: SettingRow, read: (rule: StoredRule) => T): SettingChange<T> {
  const { version, at, by } = row
  return { version, at, by, from: row.old ? read(row.old) : undefined, to: row.new ? read(row.new) : undefined }
}

/** A pause as the history tells it. */
export function pauseOf({ paused, reason, until }: StoredRule): PauseSetting {
  return {
    paused: paused === true,
    ...(typeof reason === 'string' && { reason }),
    ...(typeof until === 'string' && { until: new Date(until) }),
  }
}

/** Nothing of that name can be changed. @param remedy what makes one */
export function unknownRule(
  what: 'limit' | 'bound',
  name: string,
  known: readonly { readonly name: string }[],
  remedy: string,
): LegworkError {
  const guess = nearest(
    name,
    known.map((other) => other.name),
  )
  return new LegworkError('LW_LIMIT_UNKNOWN', `There is no ${what} named ${show(name)}.`, {
    hint: guess === undefined ? `lw.${what}s.list() has them all; ${remedy}.` : `Did you mean ${show(guess)}?`,
    details: { name, ...(guess !== undefined && { nearest: guess }) },
  })
}

import type { StoredRule } from '../../core/limit.ts'
import { once, type Queryable, repeatable } from '../connection.ts'

/** What can be changed at run time: limits, breakers and bounds, the pauses of queues and of schedules, keys that are blocked. */
export type SettingKind = 'limit' | 'breaker' | 'bound' | 'pause' | 'schedule' | 'key'

/** A change of a setting at run time. */
export interface SettingRow {
  readonly version: number
  readonly at: Date
  readonly by: string
  readonly old: StoredRule | null
  readonly new: StoredRule | null
}

/** One that is to be noted; `from` and `to` are JSON text. */
export interface SettingNote {
  readonly name: string
  readonly from: string
  readonly to: string
  /** Undefined for the database role. */
  readonly by: string | undefined
}

const setStatements = {
  limit: once('lw_limit_set', 'select legwork.set_limit($1::text, $2::jsonb, $3::text)'),
  bound: once('lw_bound_set', 'select legwork.set_bound($1::text, $2::jsonb, $3::text)'),
}

const noteStatement = once(
  'lw_setting_note',
  `select legwork.note_setting($1::text, n.name, n.old, n.new, n.by)
     from unnest($2::text[], $3::jsonb[], $4::jsonb[], $5::text[]) n(name, old, new, by)`,
)

const historyStatement = repeatable(
  'lw_setting_history',
  'select version, at, by, old, new from legwork.setting where kind = $1::text and name = $2::text order by version desc limit 1000',
)

const keyStatement = repeatable(
  'lw_setting_key_history',
  `select version, at, by, old, new from legwork.setting
    where kind = 'key' and name = jsonb_build_array($1::text, $2::text)::text order by version desc limit 1000`,
)

/** Changes a limit or a bound at run time; null goes back to what code declares. */
export async function setRule(
  on: Queryable,
  kind: keyof typeof setStatements,
  name: string,
  rule: StoredRule | null,
  by: string | undefined,
): Promise<void> {
  await on.query(setStatements[kind], [name, rule && JSON.stringify(rule), by ?? null])
}

/** Notes changes in the transaction that makes them. */
export async function noteSettings(tx: Queryable, kind: SettingKind, notes: readonly SettingNote[]): Promise<void> {
  await tx.query(noteStatement, [
    kind,
    notes.map(({ name }) => name),
    notes.map(({ from }) => from),
    notes.map(({ to }) => to),
    notes.map(({ by }) => by ?? null),
  ])
}

/** The changes of a setting, newest first, at most 1,000. */
export async function settingHistory(on: Queryable, kind: SettingKind, name: string): Promise<SettingRow[]> {
  return on.query<SettingRow & Record<string, unknown>>(historyStatement, [kind, name])
}

/** The same of a key, whose setting is named by the jobs and the key. */
export async function keyHistory(on: Queryable, name: string, key: string): Promise<SettingRow[]> {
  return on.query<SettingRow & Record<string, unknown>>(keyStatement, [name, key])
}

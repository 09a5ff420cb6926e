import type { Legwork, LegworkOptions } from './api.ts'
import { systemClock } from './core/clock.ts'
import { checkSchedules } from './drafts.ts'
import { Engine } from './engine.ts'
import type { EngineHooks } from './hooks.ts'
import { saveOwn } from './schedules.ts'
import { announce, definitionMap, retentionOf } from './settings.ts'
import { openStore } from './store/open.ts'
import { Tokens } from './tokens.ts'

/**
 * Opens the engine: connects, brings the schema up to date, and is ready to enqueue. It runs jobs once `work` is called.
 * @throws LW_JOB_NAME_TAKEN, LW_OPTION_INVALID, LW_DATABASE_LOCKED, LW_DATABASE_UNREACHABLE, LW_SCHEMA_NEWER
 * @example const lw = await legwork({ jobs: [hello] })
 */
export function legwork(options: LegworkOptions): Promise<Legwork> {
  return openEngine(options)
}

export async function openEngine(options: LegworkOptions): Promise<Legwork & EngineHooks> {
  const definitions = definitionMap(options.jobs)
  const retention = retentionOf(options.retention)
  const { schedules = [], calendars = {} } = options
  checkSchedules(schedules)
  const clock = options.clock ?? systemClock
  const token = options.token ?? process.env['LEGWORK_TOKEN']
  const tokens = new Tokens(clock, options.secret ?? process.env['LEGWORK_SECRET'])
  const store = await openStore(options.database)
  try {
    await store.migrate()
    await announce(store, definitions, options.queues)
    const changed = await saveOwn(store, schedules, calendars)
    const parts = { store, definitions, retention, clock, tokens, token, schedules, calendars, use: options.use ?? [] }
    const engine: Legwork & EngineHooks = new Engine(parts, changed)
    return engine
  } catch (error) {
    await store.close()
    throw error
  }
}

import type { PGlite } from '@electric-sql/pglite'
import type { Legwork, LegworkOptions, WorkOptions } from '../api.ts'
import type { Duration } from '../core/duration.ts'
import { optionError } from '../core/errors.ts'
import { openEngine } from '../engine.ts'
import type { EngineHooks } from '../hooks.ts'
import type { Connection } from '../store/connection.ts'
import { migrate } from '../store/migrate.ts'
import { type DatabaseOption, openConnection } from '../store/open.ts'
import { historyOf } from '../store/history.ts'
import { createStore } from '../store/sql-store.ts'
import { closeVirtualTime, openVirtualTime, setVirtualTime } from './database-time.ts'
import { Replays } from './replays.ts'
import { Stillness } from './stillness.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface TestEngineOptions extends Omit<LegworkOptions, 'database' | 'clock'> {
  /**
   * A `postgres://` URL or an open PGlite, of which this test is the only user: its `legwork.now()` is replaced.
   * Default: a new PGlite in memory.
   */
  readonly database?: DatabaseOption
  /** How the engine works; `false` leaves it without a worker. Default: with the defaults of `work()`, without signals. */
  readonly work?: WorkOptions | false
  /** The time the clock begins with. Default: the real one. */
  readonly start?: Date
  /**
   * How long a handler may be busy with something that is not virtual, in real milliseconds, before time goes on
   * without it. Handlers that end are never waited for longer than they take. Default 50.
   */
  readonly patience?: number
  /**
   * Whether durable jobs that have completed are run again, against what they remember, when the test is over: a handler
   * whose steps depend on the time, on chance or on anything outside asks for other ones then. Default true.
   */
  readonly replay?: boolean
}

/** An engine whose time stands still, on a database of its own. */
export interface TestEngine {
  readonly engine: Legwork
  readonly clock: VirtualClock
  /** Lets time pass, running what becomes due on the way. */
  readonly advance: (duration: Duration) => Promise<void>
  /** Resolves when every job that is ready has run, whichever engine of this database ran it; time stands still. */
  readonly drain: () => Promise<void>
  /** The process dies: nothing more is claimed, written or told, running handlers have nobody to report to. */
  readonly crash: () => Promise<void>
  /**
   * One more process on the same database, with the same clock. A PGlite belongs to one process: there, crash or close
   * the engine before.
   */
  readonly another: (options?: Partial<Omit<TestEngineOptions, 'database' | 'start'>>) => Promise<TestEngine>
  /**
   * Runs the durable jobs that have completed since the last call again, with no step executed; `close` does it too.
   * @throws LW_REPLAY_DIFFERS when one asks for other steps than before
   */
  readonly checkReplays: () => Promise<void>
  /** Closes this engine and every other one of the same database. @throws LW_REPLAY_DIFFERS, when all is closed */
  readonly close: () => Promise<void>
}

/** What the engines of one test share. */
interface World {
  readonly database: DatabaseOption
  readonly clock: VirtualClock
  readonly engines: Set<Member>
  readonly checkReplays: () => Promise<void>
  readonly replays: Replays
  readonly release: () => Promise<void>
}

interface Member {
  readonly engine: Legwork & EngineHooks
  readonly stillness: Stillness
}

/**
 * Opens an engine for a test: on a PGlite in memory unless a database is given, with a clock that only moves when told.
 * @example
 * const { engine, drain, advance, close } = await createTestEngine({ jobs: [welcome] })
 * const ref = await engine.enqueue(welcome, { user: 'ada' }, { delay: '1d' })
 * await advance('1d')
 * expect((await ref.status()).state).toBe('completed')
 */
export async function createTestEngine(options: TestEngineOptions): Promise<TestEngine> {
  const world = await openWorld(options)
  try {
    return await join(world, options)
  } catch (error) {
    await world.release()
    throw error
  }
}

async function openWorld({ database, start = new Date() }: TestEngineOptions): Promise<World> {
  const own = database === undefined ? await memory() : undefined
  const used = own ? { pglite: own } : checked(database)
  const connection = await openConnection(used)
  const release = async (): Promise<void> => {
    await closeVirtualTime(connection)
    await connection.close()
    await own?.close()
  }
  const engines = new Set<Member>()
  const clock = new VirtualClock({
    start,
    setTime: (now) => {
      for (const { stillness } of engines) stillness.disturb()
      return setVirtualTime(connection, now)
    },
    settle: () => settle(engines),
    idle: () => idle(engines),
  })
  await prepare(connection, start)
  const replays = new Replays()
  const store = createStore(connection)
  const checkReplays = () => replays.check((id) => historyOf(store, id))
  return { database: used, clock, engines, replays, checkReplays, release }
}

/** One engine knows what it has started. Several tell one another through the database, which has to be looked at. */
async function settle(engines: ReadonlySet<Member>): Promise<void> {
  if (engines.size > 1) return idle(engines)
  for (const { stillness } of engines) await stillness.settled()
}

/** What one engine did last may have left work for another: goes round until nothing has happened. */
async function idle(engines: ReadonlySet<Member>): Promise<void> {
  const events = (): number => [...engines].reduce((sum, { stillness }) => sum + stillness.events, 0)
  for (let before = -1; before !== events();) {
    before = events()
    for (const { stillness } of engines) await stillness.idle()
  }
}

/** Unlike `idle`, waits for handlers as long as they take. */
async function drain(engines: ReadonlySet<Member>): Promise<void> {
  for (const { engine } of engines) await engine.idle()
  await idle(engines)
}

async function prepare(connection: Connection, start: Date): Promise<void> {
  await migrate(connection)
  await openVirtualTime(connection, start)
}

async function join(world: World, options: TestEngineOptions): Promise<TestEngine> {
  const { database: _database, work = {}, start: _start, patience = 50, replay = true, ...rest } = options
  const engine = await openEngine({ ...rest, database: world.database, clock: world.clock })
  const member = { engine, stillness: new Stillness(engine, patience) }
  world.engines.add(member)
  if (replay) world.replays.watch(engine, rest)
  if (work !== false) await engine.work({ stopOnSignal: false, ...work })
  return {
    engine,
    clock: world.clock,
    advance: (duration) => world.clock.advance(duration),
    drain: () => drain(world.engines),
    crash: async () => {
      world.engines.delete(member)
      await engine.abandon()
    },
    another: (others = {}) => join(world, { ...options, ...others }),
    checkReplays: world.checkReplays,
    close: () => close(world),
  }
}

async function close(world: World): Promise<void> {
  const engines = [...world.engines]
  world.engines.clear()
  try {
    await world.checkReplays()
  } finally {
    await Promise.all(engines.map(({ engine }) => engine.close({ timeout: 0 })))
    await world.release()
  }
}

async function memory(): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite')
  return PGlite.create()
}

/** A folder is locked by the one connection that opens it, and the clock needs another. */
function checked(database: DatabaseOption | undefined): DatabaseOption {
  if (typeof database === 'string' && !/^postgres(ql)?:\/\//.test(database)) {
    throw optionError('database', 'a postgres:// URL or an open PGlite', database)
  }
  return database ?? ''
}

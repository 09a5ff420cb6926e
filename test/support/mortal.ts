import { AsyncLocalStorage } from 'node:async_hooks'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import type { AnyJob, JobRef, StepTransaction } from '../../src/index.ts'
import type { Duration } from '../../src/core/duration.ts'
import { createTestEngine, type TestEngine, type TestEngineOptions } from '../../src/testing/index.ts'
import { freshDatabase, type TestDatabase } from './database.ts'

/** A moment at which a process may be killed: before or after something that it does. */
export interface Moment {
  readonly when: 'before' | 'after'
  /** A word of a handler, or what a statement does: see `labelsOf`. */
  readonly what: string
  /** The first time when it is left out. */
  readonly nth?: number | undefined
}

export const before = (what: string, nth?: number): Moment => ({ when: 'before', what, nth })
export const after = (what: string, nth?: number): Moment => ({ when: 'after', what, nth })

/** What handlers of such a world may call. */
export interface Deeds {
  /**
   * Has an effect outside of the engine: a row in a table of the test, or in this transaction. A process may be killed
   * `before('body of …')`.
   */
  did(what: string, tx?: StepTransaction): Promise<void>
}

export interface MortalWorld {
  readonly database: TestDatabase
  readonly killed: boolean
  /** Done by somebody else while the killed process has not been replaced yet. */
  whileDead: ((engine: TestEngine['engine']) => Promise<unknown>) | undefined
  /** What was done, in order. */
  deeds(): Promise<string[]>
  readonly jobs: readonly AnyJob[]
  /** Does something from outside, when there is a process. */
  whenAlive<T>(work: () => T): Promise<T>
  /** Lets time pass; a process that is killed meanwhile is replaced. */
  advance(duration: Duration): Promise<void>
  ref(id: string): JobRef
  readonly engine: TestEngine['engine']
}

interface Life {
  dead: boolean
}

const around = new AsyncLocalStorage<Life>()
const killed = () => new Error('The process was killed.')
const never = () => new Promise<never>(() => undefined)

/**
 * An engine that is killed at a moment, and replaced by another one. Nothing that the process does after that moment
 * reaches the database: a statement is not sent, or its answer is lost.
 */
export async function mortalWorld(
  moment: Moment | undefined,
  options: (deeds: Deeds) => TestEngineOptions,
): Promise<MortalWorld> {
  const database = await freshDatabase()
  await database.query('create table deed (n serial, what text)')
  const fate = new Fate(moment)
  const given = options({
    async did(what, tx = database) {
      const life = around.getStore() ?? fate.life
      if (life.dead || fate.strikes('before', [`body of ${what}`])) {
        if (tx === database) return never()
        throw killed() // the transaction has to end
      }
      await tx.query('insert into deed (what) values ($1)', [what])
    },
  })
  const engine = await createTestEngine({ ...given, ...inLife(given, fate.life), database: fate.watch(database) })
  onTestFinished(() => current.close())
  let current: TestEngine = engine
  await engine.drain() // its first claim must not meet a job whose enqueue has not been answered: that answer would be lost
  fate.kill = () => engine.crash()
  const replace = async () => {
    if (!fate.crashed) return
    await fate.crashed
    fate.bury()
    if (world.whileDead) {
      const other = await current.another({ work: false })
      await world.whileDead(other.engine)
      await other.crash()
    }
    current = await current.another(inLife(given, fate.life))
    await current.advance('15s')
  }
  const world: MortalWorld = {
    database,
    jobs: given.jobs,
    async whenAlive(work) {
      await replace()
      return work()
    },
    whileDead: undefined,
    get killed() {
      return fate.struck
    },
    get engine() {
      return current.engine
    },
    ref: (id) => current.engine.ref(id),
    deeds: async () =>
      (await database.query<{ what: string }>('select what from deed order by n')).map(({ what }) => what),
    async advance(duration) {
      await replace()
      await current.advance(duration)
      await replace()
    },
  }
  return world
}

/** Has handlers know which life they belong to: one of a killed process does nothing any more. */
function inLife({ use = [] }: TestEngineOptions, life: Life): Pick<TestEngineOptions, 'use'> {
  return { use: [(_context, next) => around.run(life, next), ...use] }
}

/** When the process is killed, and what then becomes of what it does. */
class Fate {
  readonly #moment: Moment | undefined
  #left: number
  life: Life = { dead: false }
  struck = false
  crashed: Promise<void> | undefined
  kill: () => Promise<void> = async () => undefined

  constructor(moment: Moment | undefined) {
    this.#moment = moment
    this.#left = moment?.nth ?? 1
  }

  /** Whether the process is dead now. */
  strikes(when: Moment['when'], labels: readonly string[]): boolean {
    const isNow = !this.struck && when === this.#moment?.when && labels.includes(this.#moment.what)
    if (isNow && --this.#left === 0) {
      this.struck = this.life.dead = true
      this.crashed = this.kill()
    }
    return this.life.dead
  }

  /** The next process begins. */
  bury(): void {
    this.crashed = undefined
    this.life = { dead: false }
  }

  watch(database: TestDatabase): string | { pglite: PGlite } {
    if (database.kind === 'pglite') return { pglite: this.#watchPglite(database.pglite) }
    this.#watchPostgres()
    return database.url
  }

  async around<T>(text: string, labels: readonly string[], send: () => Promise<T>): Promise<T> {
    if (isOfTheTest(text)) return send()
    if (this.strikes('before', labels)) throw killed()
    const answer = await send()
    if (this.strikes('after', labels)) throw killed()
    return answer
  }

  #watchPglite(pglite: PGlite): PGlite {
    const query = (on: PGlite | Transaction, learn: (labels: string[]) => void = () => undefined) =>
      (async (text: string, params?: unknown[], how?: object) => {
        const labels = labelsOf(text, params)
        learn(labels)
        return this.around(text, labels, () => on.query(text, params, how))
      }) as PGlite['query']
    const transaction = async <T>(work: (tx: Transaction) => Promise<T>) => {
      let last: string[] = []
      const result = await pglite.transaction(async (tx) => {
        const learn = (labels: string[]) => void (last = labels.length > 0 ? labels : last)
        const done = await work(replaced(tx, { query: query(tx, learn) }))
        if (this.strikes('before', commitsOf(last))) throw killed()
        return done
      })
      if (this.strikes('after', commitsOf(last))) throw killed()
      return result
    }
    return replaced(pglite, { query: query(pglite), transaction })
  }

  /** All connections that engines open, until the test ends. */
  #watchPostgres(): void {
    const last = new WeakMap<object, string[]>()
    const { prototype } = pg.Client
    const original = Reflect.get(prototype, 'query') as (...args: unknown[]) => Promise<unknown>
    const watched = new Proxy(original, {
      apply: (query, client: object, args: unknown[]) => {
        const send = () => Reflect.apply(query, client, args)
        const statement = statementOf(args)
        if (nameOf(client) !== 'legwork' || !statement) return send()
        const { text, values = [] } = statement
        const labels = text === 'commit' ? commitsOf(last.get(client) ?? []) : labelsOf(text, values)
        if (text === 'begin' || labels.length > 0) last.set(client, labels)
        return this.around(text, labels, send)
      },
    })
    Reflect.set(prototype, 'query', watched)
    onTestFinished(() => void Reflect.set(prototype, 'query', original))
  }
}

/** Undefined for one with a callback: a hint, which may be lost. */
function statementOf([config, ...rest]: readonly unknown[]): pg.QueryConfig | undefined {
  if (rest.some((one) => typeof one === 'function')) return undefined
  return typeof config === 'string' ? { text: config } : (config as pg.QueryConfig)
}

function nameOf(client: object): string | undefined {
  const { connectionParameters } = client as { connectionParameters?: { application_name?: string } }
  return connectionParameters?.application_name
}

function replaced<T extends object>(object: T, others: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      if (name in others) return others[name as keyof T]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function isOfTheTest(text: string): boolean {
  return text.includes('legwork.virtual_clock')
}

const commitsOf = (labels: readonly string[]) => labels.map((label) => `commit of ${label}`)

const states = ['', 'begun', 'done', 'failed', 'due']

/** What a statement does, in words; empty for those at which nothing is killed. */
function labelsOf(text: string, params: readonly unknown[] = []): string[] {
  if (text.startsWith('with done as')) return ['the end']
  if (text.includes("'parked' then 4")) return ['giving it back']
  if (text.includes('set state = 5')) return ['the decision to undo']
  if (text.includes('set taken_by')) return ['taking the signal']
  if (text.includes('legwork.step as s') && text.includes('unnest')) {
    const [names, codes] = [params[4] as string[], params[6] as number[]]
    return names.map((name, at) => `${name} ${states[codes[at] ?? 0]}`)
  }
  if (text.includes('insert into legwork.step as s')) return [`${String(params[2])} done`]
  if (text.includes('insert into legwork.step (slot, job_id, name, place, state, output, kind'))
    return [`${String(params[2])} begun`]
  return []
}

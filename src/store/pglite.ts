import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import { type Connection, planSettings, type Queryable, type Row, type Statement } from './connection.ts'
import { closedError } from './failure.ts'
import { lockFolder } from './folder-lock.ts'

export interface PgliteOptions {
  /** Where the data lives. It is created when missing. */
  readonly folder: string
}

/**
 * An embedded Postgres in a folder. It survives `kill -9` but does not fsync: a power cut may lose the last moments.
 * @throws LW_DATABASE_LOCKED naming the process that has the folder open
 */
export async function openPglite(options: PgliteOptions): Promise<Connection> {
  const folder = resolve(options.folder)
  await mkdir(folder, { recursive: true })
  const unlock = await lockFolder(folder)
  try {
    const { PGlite } = await import('@electric-sql/pglite')
    const database = await PGlite.create({ dataDir: folder })
    return await adoptPglite(database, async () => {
      await database.close()
      await unlock()
    })
  } catch (error) {
    await unlock()
    throw error
  }
}

/** A PGlite the caller opened, e.g. in memory; `release` is called instead of closing it. */
export async function adoptPglite(database: PGlite, release: () => Promise<void>): Promise<Connection> {
  await database.exec(planSettings)
  return new PgliteConnection(database, release)
}

/** int8 as text, like `pg` does: ids do not fit a number. */
const parsers = { 20: (value: string) => value }

/** Milliseconds of statements after which the event loop gets a turn. */
const breath = 5

class PgliteConnection implements Connection {
  readonly kind = 'pglite'
  readonly traits = { exclusive: true, vacuums: false } as const
  readonly #database: PGlite
  readonly #release: () => Promise<void>
  #closed = false
  #breathed = 0

  constructor(database: PGlite, release: () => Promise<void>) {
    this.#database = database
    this.#release = release
  }

  async query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
    await this.#breathe()
    return rowsOf<R>(this.#open(), statement, params)
  }

  async script(text: string): Promise<void> {
    await this.#open().exec(text)
  }

  async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    await this.#breathe()
    return this.#open().transaction((tx) => work(new PgliteTransaction(tx)))
  }

  /**
   * The database runs in this thread and answers without the event loop ever turning: a caller that adds job after job
   * would keep timers, heartbeats and everybody else's I/O waiting for ever.
   */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#breathed < breath) return
    await new Promise((next) => setImmediate(next))
    this.#breathed = performance.now()
  }

  /** Nobody else can listen: the process wakes itself. */
  async notify(): Promise<void> {}

  listen(): void {}

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#release()
  }

  #open(): PGlite {
    if (this.#closed) throw closedError()
    return this.#database
  }
}

class PgliteTransaction implements Queryable {
  readonly #tx: Transaction

  constructor(tx: Transaction) {
    this.#tx = tx
  }

  query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
    return rowsOf<R>(this.#tx, statement, params)
  }

  async script(text: string): Promise<void> {
    await this.#tx.exec(text)
  }
}

async function rowsOf<R extends Row>(
  on: PGlite | Transaction,
  statement: Statement,
  params: readonly unknown[],
): Promise<R[]> {
  const result = await on.query<R>(statement.text, [...params], { parsers })
  return result.rows
}

import type pg from 'pg'
import { LegworkError } from '../core/errors.ts'
import { type Connection, planSettings, type Queryable, type Row, type Statement } from './connection.ts'
import { closedError, isDisconnect, isRolledBack, longestRest, rest } from './failure.ts'

export interface PostgresOptions {
  readonly url: string
  /** Most connections this engine opens for statements; one more is opened to listen. Default 6. */
  readonly connections?: number
  /** How long a statement waits for an unreachable server before it fails, milliseconds. Default 30 000. */
  readonly patience?: number
  readonly applicationName?: string
}

/** How long the server may work on a statement, milliseconds. */
const statementTimeout = 30_000

/** Migrations may take longer; they say so to the server themselves. */
const scriptTimeout = 600_000

/**
 * What every session of the engine begins with. A generic plan is made once per statement; the waits are bounded on
 * the server too, so that nothing stays behind when this process goes.
 */
const sessionSettings = [
  'set plan_cache_mode = force_generic_plan',
  planSettings,
  // the statements are written for it; a database or a role may have another default
  "set default_transaction_isolation = 'read committed'",
  `set statement_timeout = ${statementTimeout}`,
  'set idle_in_transaction_session_timeout = 60000',
].join('; ')

const channel = 'legwork'

/** A PostgreSQL server, 13 or newer, through `pg`. Opens nothing until the first statement. */
export async function connectPostgres(options: PostgresOptions): Promise<Connection> {
  const { default: driver } = await import('pg')
  return new PostgresConnection(driver, options)
}

class PostgresConnection implements Connection {
  readonly kind = 'postgres'
  readonly traits = { exclusive: false, vacuums: true } as const
  readonly #driver: typeof pg
  readonly #options: PostgresOptions
  readonly #pool: pg.Pool
  readonly #closing = new AbortController()
  /** Clients that have their session settings. */
  readonly #prepared = new WeakSet<pg.PoolClient>()
  /** Clients that have not ended. */
  readonly #clients = new Set<pg.Client | pg.PoolClient>()
  #listening: Promise<void> | undefined

  constructor(driver: typeof pg, options: PostgresOptions) {
    this.#driver = driver
    this.#options = options
    this.#pool = new driver.Pool({ ...this.#clientConfig(), max: options.connections ?? 6, idleTimeoutMillis: 30_000 })
    // An idle connection that breaks is replaced by the next statement; without a listener Node would end the process.
    this.#pool.on('error', () => undefined)
    this.#pool.on('connect', (client) => {
      client.on('error', () => undefined)
      this.#track(client)
    })
  }

  query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
    return this.#patiently(statement.repeatable, async (client) => rowsOf<R>(client, statement, params))
  }

  script(text: string): Promise<void> {
    return this.#patiently(false, async (client) => void (await client.query(text)))
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#patiently(false, async (client) => {
      await client.query('begin')
      try {
        const result = await work(new PostgresTransaction(client))
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch(() => undefined)
        throw error
      }
    })
  }

  async notify(payload: string): Promise<void> {
    // a hint may be lost, so its commit need not wait for the disk
    const text = "select pg_notify($1, $2) from set_config('synchronous_commit', 'off', true)"
    await this.#pool.query({ name: 'lw_notify', text, values: [channel, payload] })
  }

  listen(onHint: (payload: string) => void, onGap: () => void): void {
    this.#listening ??= this.#keepListening(onHint, onGap)
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    const over = Promise.all([this.#listening, this.#pool.end()])
    const late = new AbortController()
    await Promise.race([over, rest(longestRest, late.signal)])
    late.abort()
    // A network that has gone silent answers no goodbye either.
    for (const client of this.#clients) sever(client)
    await over
  }

  #track(client: pg.Client | pg.PoolClient): void {
    this.#clients.add(client)
    client.once('end', () => this.#clients.delete(client))
  }

  /** Gets a client and runs `work`, waiting out an unreachable server and repeating what the server rolled back. */
  async #patiently<T>(repeatable: boolean, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const patience = this.#patience
    const deadline = Date.now() + patience
    if (this.#closing.signal.aborted) throw closedError()
    for (let tries = 0; ; tries++) {
      const attempt = await this.#attempt(work)
      if ('result' in attempt) return attempt.result
      const again = !attempt.sent || isRolledBack(attempt.error) || (repeatable && isDisconnect(attempt.error))
      if (!again) throw attempt.sent && isDisconnect(attempt.error) ? unknownFate(attempt.error) : attempt.error
      if (this.#closing.signal.aborted) throw closedError(attempt.error)
      if (Date.now() > deadline) throw unreachable(patience, attempt.error)
      await rest(tries, this.#closing.signal)
    }
  }

  async #attempt<T>(
    work: (client: pg.PoolClient) => Promise<T>,
  ): Promise<{ result: T } | { error: unknown; sent: boolean }> {
    let client: pg.PoolClient
    try {
      client = await this.#client()
    } catch (error) {
      if (!isDisconnect(error)) throw error
      return { error, sent: false }
    }
    try {
      const result = await work(client)
      client.release()
      return { result }
    } catch (error) {
      client.release(isDisconnect(error))
      return { error, sent: true }
    }
  }

  async #client(): Promise<pg.PoolClient> {
    const client = await this.#pool.connect()
    if (this.#prepared.has(client)) return client
    try {
      await client.query(sessionSettings)
      this.#prepared.add(client)
      return client
    } catch (error) {
      client.release(true)
      throw error
    }
  }

  async #keepListening(onHint: (payload: string) => void, onGap: () => void): Promise<void> {
    const signal = this.#closing.signal
    for (let tries = 0; !signal.aborted; tries++) {
      const client = new this.#driver.Client({ ...this.#clientConfig(), statement_timeout: 0, query_timeout: 0 })
      this.#track(client)
      client.on('error', () => undefined) // it may come at any time, and without a listener Node would end the process
      try {
        await client.connect()
        client.on('notification', (message) => onHint(message.payload ?? ''))
        await client.query(`listen ${channel}`)
        tries = 0
        onGap()
        await ended(client, signal)
      } catch {
        // not reachable now; polling goes on meanwhile
      } finally {
        await client.end().catch(() => undefined)
      }
      await rest(tries, signal)
    }
  }

  get #patience(): number {
    return this.#options.patience ?? 30_000
  }

  #clientConfig(): pg.ClientConfig {
    return {
      connectionString: this.#options.url,
      application_name: this.#options.applicationName ?? 'legwork',
      connectionTimeoutMillis: Math.min(10_000, this.#patience),
      query_timeout: Math.min(statementTimeout, this.#patience) + 5_000,
      keepAlive: true,
    }
  }
}

class PostgresTransaction implements Queryable {
  readonly #client: pg.ClientBase

  constructor(client: pg.ClientBase) {
    this.#client = client
  }

  query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
    return rowsOf<R>(this.#client, statement, params)
  }

  async script(text: string): Promise<void> {
    const script: pg.QueryConfig & { query_timeout: number } = { text, query_timeout: scriptTimeout }
    await this.#client.query(script)
  }
}

async function rowsOf<R extends Row>(
  client: pg.ClientBase,
  statement: Statement,
  params: readonly unknown[],
): Promise<R[]> {
  const result = await client.query<R>({ name: statement.name, text: statement.text, values: [...params] })
  return result.rows
}

/** Resolves when the connection ends, by itself or because `signal` aborts. */
function ended(client: pg.Client, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    client.once('error', done)
    client.once('end', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

/** Ends a connection without the server's help. */
function sever(client: pg.Client | pg.PoolClient): void {
  const { connection } = client as { readonly connection?: { readonly stream?: { destroy(): void } } }
  connection?.stream?.destroy()
}

function unknownFate(cause: unknown): LegworkError {
  return new LegworkError(
    'LW_DATABASE_UNREACHABLE',
    'The connection broke before the database answered; the statement may have taken effect.',
    {
      hint: 'Look before you repeat it, or give the job a unique key so that repeating is harmless.',
      cause,
    },
  )
}

function unreachable(patience: number, cause: unknown): LegworkError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new LegworkError('LW_DATABASE_UNREACHABLE', `The database did not answer for ${patience / 1000} s: ${why}.`, {
    hint: 'Check DATABASE_URL and that the server runs.',
    cause,
  })
}

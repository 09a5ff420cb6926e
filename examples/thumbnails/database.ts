import { mkdir } from 'node:fs/promises'
import { PGlite } from '@electric-sql/pglite'
import type { DatabaseOption } from 'legwork'
import pg from 'pg'
import { lock } from './lock.ts'

/** A connection or an open transaction. */
export interface Queryable {
  query(text: string, params?: unknown[]): Promise<{ rows: unknown[] }>
}

/** The application's own database, which is the engine's too: that is why a row and a job can share a transaction. */
export interface Database extends Queryable {
  readonly name: string
  /** What `legwork()` takes as `database`. */
  readonly option: DatabaseOption
  /** Commits what `work` did, or nothing of it when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function openDatabase(folder: string, url = process.env['DATABASE_URL']): Promise<Database> {
  return url ? openPostgres(url) : openEmbedded(folder)
}

async function openEmbedded(folder: string): Promise<Database> {
  await mkdir(folder, { recursive: true })
  const unlock = await lock(folder)
  const pglite = await PGlite.create({ dataDir: folder })
  return {
    name: 'embedded database',
    option: { pglite },
    query: (text, params) => pglite.query(text, params),
    transaction: (work) => pglite.transaction(work),
    async close() {
      await pglite.close()
      await unlock()
    },
  }
}

async function openPostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: 5 })
  pool.on('error', () => undefined) // a connection that broke while idle is replaced
  return {
    name: 'PostgreSQL of DATABASE_URL',
    option: { url, patience: 8_000 },
    query: (text, params) => pool.query(text, params),
    transaction: (work) => inTransaction(pool, work),
    close: () => pool.end(),
  }
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    client.release()
    return result
  } catch (error) {
    // A client whose transaction cannot even be rolled back is not used again.
    await client.query('rollback').then(
      () => client.release(),
      () => client.release(true),
    )
    throw error
  }
}

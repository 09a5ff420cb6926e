import pg from 'pg'
import { PGlite } from '@electric-sql/pglite'
import { planSettings, type Queryable, type Row, type Statement } from '../../src/store/connection.ts'

/** Rows as arrays, as the driver has them before anything is made of them. */
export interface Raw {
  run(statement: Statement, params: readonly unknown[]): Promise<{ rows: unknown[][]; columns: string[] }>
}

/** Sessions with the engine's settings and nothing else of it. */
export interface RawDatabase {
  session(): Promise<Raw>
  close(): Promise<void>
}

export function rawPostgres(url: string): RawDatabase {
  const clients: pg.Client[] = []
  return {
    async session() {
      const client = new pg.Client(url)
      clients.push(client)
      await client.connect()
      await client.query(`set plan_cache_mode = force_generic_plan; ${planSettings}`)
      return {
        async run({ name, text }, params) {
          const { rows, fields } = await client.query<unknown[]>({ name, text, values: [...params], rowMode: 'array' })
          return { rows, columns: fields.map((field) => field.name) }
        },
      }
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()))
    },
  }
}

/** One session: PGlite has no more. int8 stays text, as it does with the engine. */
export async function rawPglite(folder: string): Promise<RawDatabase> {
  const database = await PGlite.create({ dataDir: folder })
  await database.exec(planSettings)
  const raw: Raw = {
    async run({ text }, params) {
      const { rows, fields } = await database.query<unknown[]>(text, [...params], {
        rowMode: 'array',
        parsers: { 20: (id) => id },
      })
      return { rows, columns: fields.map((field) => field.name) }
    },
  }
  return { session: async () => raw, close: () => database.close() }
}

/**
 * Lets the engine's own functions build a statement and its parameters, sends it, and gives the rows as they came:
 * what the engine would make of many is not part of the limit. Always in step with the statements in src/.
 */
export async function send(
  raw: Raw,
  operation: (on: Queryable) => Promise<unknown>,
): Promise<{ rows: unknown[][]; readonly column: (name: string) => unknown[] }> {
  let answer: Awaited<ReturnType<Raw['run']>> = { rows: [], columns: [] }
  await operation({
    async query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
      answer = await raw.run(statement, params)
      const [only, ...others] = answer.rows
      if (!only || others.length > 0) return []
      return [Object.fromEntries(answer.columns.map((name, place) => [name, only[place]])) as R]
    },
    script: () => Promise.reject(new Error('The limit runs statements only.')),
  })
  const { rows, columns } = answer
  return { rows, column: (name) => rows.map((row) => row[columns.indexOf(name)]) }
}

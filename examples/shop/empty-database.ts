import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { UsageError } from '../support/program.ts'

/**
 * Makes an empty database for `use` and drops it afterwards, on the server of DATABASE_URL, or on one that is started for
 * it and removed again.
 * @throws UsageError when there is no server and none can be started
 */
export async function withEmptyDatabase<T>(use: (url: string) => Promise<T>): Promise<T> {
  const given = process.env['DATABASE_URL']
  if (given) return withDatabase(given, use)
  const server = await startServer()
  try {
    return await withDatabase(server.url, use)
  } finally {
    await server.stop()
  }
}

/** With the PostgreSQL that comes as a development dependency, as the tests of this repository do. */
async function startServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  try {
    const { startPostgres } = await import('../../test/support/postgres-server.ts')
    return await startPostgres()
  } catch (cause) {
    throw new UsageError('A storm needs PostgreSQL, and none could be started. Set DATABASE_URL to a server.', {
      cause,
    })
  }
}

async function withDatabase<T>(server: string, use: (url: string) => Promise<T>): Promise<T> {
  const name = `shop_storm_${randomUUID().slice(0, 8)}`
  const url = new URL(server)
  url.pathname = `/${name}`
  await command(server, `create database ${name}`)
  try {
    return await use(url.href)
  } finally {
    await command(server, `drop database if exists ${name} with (force)`)
  }
}

async function command(server: string, sql: string): Promise<void> {
  const client = new pg.Client(server)
  client.on('error', () => undefined) // what breaks is told by the query
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { emptyDatabase, freshDatabase, type TestDatabase } from './database.ts'
import { withConnection } from './postgres.ts'

test('two databases do not see each other', async () => {
  const [one, other] = await Promise.all([freshDatabase(), freshDatabase()])
  await one.query('create table mark (value bigint)')
  await one.query('insert into mark values ($1)', [7])
  expect(await one.query('select value from mark')).toEqual([{ value: '7' }])
  expect(await other.query(`select to_regclass('mark') as found`)).toEqual([{ found: null }])
})

test('an empty database has no tables', async () => {
  const database = await emptyDatabase()
  const [row] = await database.query<{ count: number }>(
    `select count(*)::int as count from pg_class where relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       and relkind = 'r'`,
  )
  expect(row?.count).toBe(0)
})

test('disposing removes the database and may be repeated', async () => {
  const database = await freshDatabase()
  await database.dispose()
  await database.dispose()
  expect(await exists(database)).toBe(false)
})

test('a database that is still in use says whose it is, and is removed all the same', async () => {
  const database = await freshDatabase()
  await keepInUse(database)
  await expect(database.dispose()).rejects.toThrow(/Leak: ".*still in use says whose it is/)
  expect(await exists(database)).toBe(false)
})

async function keepInUse(database: TestDatabase): Promise<void> {
  if (database.kind === 'pglite') {
    await database.pglite.listen('forgotten', () => {})
    return
  }
  const client = new pg.Client(database.url)
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
}

async function exists(database: TestDatabase): Promise<boolean> {
  if (database.kind === 'pglite') return !database.pglite.closed
  const world = inject('world')
  if (world.kind !== 'postgres') return false
  const name = new URL(database.url).pathname.slice(1)
  return withConnection(world.url, async (client) => {
    return (await client.query('select from pg_database where datname = $1', [name])).rowCount === 1
  })
}

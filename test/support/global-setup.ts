import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import type pg from 'pg'
import type { TestProject } from 'vitest/node'
import type { Connection } from '../../src/store/connection.ts'
import { migrate } from '../../src/store/migrate.ts'
import { adoptPglite } from '../../src/store/pglite.ts'
import { connectPostgres } from '../../src/store/postgres.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'
import { databaseUrl, withConnection } from './postgres.ts'
import { temporaryFolder } from './temporary-folder.ts'
import type { World } from './world.ts'

/** Prepares one database per run that every test of the project copies. Returns what undoes it. */
export default async function prepareWorld(project: TestProject): Promise<() => Promise<void>> {
  return project.name === 'postgres' ? preparePostgres(project) : preparePglite(project)
}

// Small on purpose: a tenth of the start-up time of a copy goes into shared buffers, and WAL segments are most of its bytes.
const small = ['--wal-segsize=1', '-c', 'shared_buffers=16MB']

async function preparePglite(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporaryFolder('pglite')
  const dumps = { migrated: join(folder.path, 'migrated.tar'), empty: join(folder.path, 'empty.tar') }
  try {
    const database = await PGlite.create({ initDbStartParams: small })
    await dump(database, dumps.empty)
    await migrateAndClose(await adoptPglite(database, async () => {}))
    await dump(database, dumps.migrated)
    await database.close()
  } catch (error) {
    await folder.remove()
    throw error
  }
  provide(project, { kind: 'pglite', ...dumps })
  return folder.remove
}

async function dump(database: PGlite, file: string): Promise<void> {
  const data = await database.dumpDataDir('none')
  await writeFile(file, Buffer.from(await data.arrayBuffer()))
}

async function preparePostgres(project: TestProject): Promise<() => Promise<void>> {
  const server = await findServer()
  const names = { migrated: `legwork_test_${process.pid}_migrated`, empty: `legwork_test_${process.pid}_empty` }
  const teardown = async (): Promise<void> => {
    try {
      await withConnection(server.url, (client) => dropAll(client, `legwork_test_${process.pid}_`))
    } finally {
      await server.stop()
    }
  }
  try {
    await withConnection(server.url, async (client) => {
      for (const name of Object.values(names)) await client.query(`create database ${name} template template0`)
    })
    await migrateAndClose(await connectPostgres({ url: databaseUrl(server.url, names.migrated) }))
  } catch (error) {
    await teardown()
    throw error
  }
  provide(project, { kind: 'postgres', url: server.url, ...names })
  return teardown
}

async function findServer(): Promise<Pick<PostgresServer, 'url' | 'stop'>> {
  const url = process.env.DATABASE_URL
  return url ? { url, stop: async () => {} } : startPostgres()
}

async function dropAll(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`)
}

async function migrateAndClose(connection: Connection): Promise<void> {
  try {
    await migrate(connection)
  } finally {
    await connection.close()
  }
}

function provide(project: TestProject, world: World): void {
  project.provide('world', world)
}

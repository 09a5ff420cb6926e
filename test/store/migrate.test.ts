import { readdir, readFile } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { databaseOption } from '../conformance/support.ts'
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts'

async function storeOn(database: TestDatabase): Promise<Store> {
  const store = await openStore(databaseOption(database))
  onTestFinished(() => store.close())
  return store
}

const names = (await readdir(new URL('../../sql/', import.meta.url))).filter((name) => name.endsWith('.sql')).toSorted()

test('an empty database gets every migration, a second look applies none', async () => {
  const store = await storeOn(await emptyDatabase())
  expect(await store.migrate()).toEqual(names)
  expect(await store.migrate()).toEqual([])
})

test('callers of one process that migrate at once do it once', async () => {
  const store = await storeOn(await emptyDatabase())
  const applied = await Promise.all([store.migrate(), store.migrate(), store.migrate()])
  expect(applied.flat()).toEqual(names)
})

test('a schema of a newer version is refused by name, with what to do', async () => {
  const database = await freshDatabase()
  await database.query(`insert into legwork.migration (id, name, checksum) values (9000, '9000_future.sql', 'x')`)
  const store = await storeOn(database)
  await expect(store.migrate()).rejects.toMatchObject({
    code: 'LW_SCHEMA_NEWER',
    message: expect.stringMatching(/9000_future\.sql.*Upgrade/s),
    details: { found: '9000_future.sql', known: names.at(-1) },
  })
})

test('a migration whose text has changed since is refused', async () => {
  const database = await freshDatabase()
  await database.query(`update legwork.migration set checksum = 'other' where id = 1`)
  const store = await storeOn(database)
  await expect(store.migrate()).rejects.toMatchObject({ code: 'LW_SCHEMA_CHANGED', details: { migration: names[0] } })
})

test('a migration that fails leaves nothing behind and says why', async () => {
  const database = await emptyDatabase()
  await database.query('create schema legwork')
  await database.query('create table legwork.worker (mine int)')
  const store = await storeOn(database)
  await expect(store.migrate()).rejects.toMatchObject({
    code: 'LW_MIGRATION_FAILED',
    message: expect.stringContaining('"worker" already exists'),
  })
  const tables = await database.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'legwork'::regnamespace`,
  )
  expect(tables).toEqual([{ name: 'worker' }])
  await database.query('drop table legwork.worker')
  expect(await store.migrate()).toEqual(names)
})

test('no migration begins or ends a transaction of its own', async () => {
  for (const name of names) {
    const text = await readFile(new URL(`../../sql/${name}`, import.meta.url), 'utf8')
    const outside = text.replaceAll(/\$\$.*?\$\$/gs, '').replaceAll(/--.*$/gm, '')
    expect(outside, name).not.toMatch(/^\s*(begin|commit|rollback|create\s+index\s+concurrently)\b/im)
  }
})

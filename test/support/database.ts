import { inject, onTestFinished, TestRunner } from 'vitest'
import { copyPglite, type PgliteDatabase } from './pglite-database.ts'
import { copyPostgres, type PostgresDatabase } from './postgres-database.ts'

/** A database that belongs to one test alone. Which kind it is depends on the vitest project. */
export type TestDatabase = PgliteDatabase | PostgresDatabase

type Contents = 'migrated' | 'empty'

const ofThisFile: (() => Promise<void>)[] = []

/**
 * A database with the newest schema, a copy of the one that the global set-up prepared. Inside a test or a `beforeEach` it
 * is disposed of when the test ends, in a `beforeAll` when the file ends. One that is still in use then fails the test.
 */
export function freshDatabase(): Promise<TestDatabase> {
  return prepare('migrated')
}

/** Like `freshDatabase`, with nothing in it. */
export function emptyDatabase(): Promise<TestDatabase> {
  return prepare('empty')
}

/** Disposes of what a `beforeAll` of this file has opened. */
export async function disposeRest(): Promise<void> {
  for (const dispose of ofThisFile.splice(0).toReversed()) await dispose()
}

async function prepare(contents: Contents): Promise<TestDatabase> {
  const test = TestRunner.getCurrentTest()
  const opening = copy(contents, test ? `"${test.fullTestName}"` : 'a hook of this file')
  const dispose = async (): Promise<void> => (await opening).dispose()
  // Registered before anything is awaited, so whatever the test registers later is undone earlier.
  if (test) onTestFinished(dispose)
  else ofThisFile.push(dispose)
  return opening
}

function copy(contents: Contents, owner: string): Promise<TestDatabase> {
  const world = inject('world')
  if (!world) throw new Error('No database here: move the test out of the folders of the vitest project "pure".')
  if (world.kind === 'pglite') return copyPglite(world[contents], owner)
  return copyPostgres(world.url, world[contents], owner)
}

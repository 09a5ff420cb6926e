import { onTestFinished } from 'vitest'
import type { DatabaseOption } from '../../src/index.ts'
import { createTestEngine, type TestEngine, type TestEngineOptions } from '../../src/testing/index.ts'
import { freshDatabase, type TestDatabase } from './database.ts'

export interface TestWorld extends TestEngine {
  readonly database: TestDatabase
}

/** An engine with virtual time on a database of this test, closed when the test ends. */
export async function testEngine(options: TestEngineOptions): Promise<TestWorld> {
  const database = await freshDatabase()
  const engine = await createTestEngine({ ...options, database: optionOf(database) })
  onTestFinished(() => engine.close())
  return { ...engine, database }
}

/** Kills the process that runs now and lets another one find out. */
export async function crashAndReplace(current: TestEngine): Promise<TestEngine> {
  await current.crash()
  const next = await current.another()
  await next.advance('15s')
  return next
}

/** How an engine is told of a database. */
export function optionOf(database: TestDatabase): DatabaseOption {
  return database.kind === 'pglite' ? { pglite: database.pglite } : database.url
}

/** A promise that somebody else settles. */
export interface Gate<T = void> {
  readonly opened: Promise<T>
  readonly open: (value: T) => void
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => undefined
  const opened = new Promise<T>((resolve) => (open = resolve))
  return { opened, open }
}

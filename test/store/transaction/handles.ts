import type { PGlite } from '@electric-sql/pglite'
import type { TestDatabase } from '../../support/database.ts'

/** The address of a database on a server. Only files for the project "postgres" may ask for it. */
export function urlOf(database: TestDatabase): string {
  if (database.kind !== 'postgres') throw new Error('This file is for the vitest project "postgres".')
  return database.url
}

/** The embedded database. Only files for the project "pglite" may ask for it. */
export function pgliteOf(database: TestDatabase): PGlite {
  if (database.kind !== 'pglite') throw new Error('This file is for the vitest project "pglite".')
  return database.pglite
}

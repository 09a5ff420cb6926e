import type { PGlite } from '@electric-sql/pglite'
import { optionError } from '../core/errors.ts'
import type { Connection } from './connection.ts'
import { adoptPglite, openPglite } from './pglite.ts'
import { connectPostgres } from './postgres.ts'
import { createStore } from './sql-store.ts'
import type { Store } from './store.ts'

/** Where the jobs live. */
export type DatabaseOption =
  | string
  | {
      /** `postgres://…` */
      readonly url: string
      /** Most connections for statements; one more listens. Default 6. */
      readonly connections?: number
      /** How long a statement waits for an unreachable server, milliseconds. Default 30 000. */
      readonly patience?: number
    }
  | {
      /** A PGlite that is open already. It stays open when the engine closes. */
      readonly pglite: PGlite
    }

const defaultFolder = '.legwork/db'

/** Opens the store of the database that is named, or of `DATABASE_URL`, or the embedded one. */
export async function openStore(database: DatabaseOption | undefined): Promise<Store> {
  return createStore(await openConnection(database ?? (process.env['DATABASE_URL'] || defaultFolder)))
}

export async function openConnection(database: DatabaseOption): Promise<Connection> {
  if (typeof database === 'string') {
    if (database.trim() === '') throw optionError('database', 'a postgres:// URL or a folder', database)
    if (/^postgres(ql)?:\/\//.test(database)) return connectPostgres({ url: database })
    if (/^[a-z][a-z+]+:\/\//.test(database))
      throw optionError('database', 'a postgres:// URL or a folder', database.replace(/\/\/.*@/, '//…@'))
    return openPglite({ folder: database })
  }
  if ('pglite' in database) return adoptPglite(database.pglite, async () => undefined)
  return connectPostgres(database)
}

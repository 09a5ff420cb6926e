import { LegworkError, show } from '../../core/errors.ts'
import { fromDrizzle, isDrizzle } from './drizzle.ts'
import { fromKnex, isKnex } from './knex.ts'
import { fromKysely, isKysely } from './kysely.ts'
import { fromPg, isPg } from './pg.ts'
import { fromPGlite, isPGlite } from './pglite.ts'
import { fromPostgresJs, isPostgresJs } from './postgres-js.ts'
import { fromPrisma, isPrisma } from './prisma.ts'
import { type Handle, hasMethods, rowsOf, type Transaction } from './shape.ts'
import { fromTypeOrm, isTypeOrm } from './type-orm.ts'

export type { Transaction } from './shape.ts'

type Recognise = (value: Handle) => Transaction | undefined

/** From the most particular shape to the least: several libraries also have a `query` of their own kind. */
const libraries: readonly Recognise[] = [
  recognise(isTypeOrm, fromTypeOrm),
  recognise(isDrizzle, fromDrizzle),
  recognise(isKysely, fromKysely),
  recognise(isPrisma, fromPrisma),
  recognise(isKnex, fromKnex),
  recognise(isPostgresJs, fromPostgresJs),
  recognise(isPGlite, fromPGlite),
  recognise(isPg, fromPg),
  recognise(isQueryable, fromQueryable),
]

/**
 * The transaction behind a handle of pg, postgres.js, PGlite, Drizzle, Kysely, Prisma, Knex or TypeORM, known by its
 * shape, or behind any object with `query(text, params)`. A handle whose library says that it is not inside a
 * transaction is refused. What the driver throws passes through untouched.
 */
export function transactionOf(tx: unknown): Transaction {
  if (isHandle(tx)) {
    for (const attempt of libraries) {
      const transaction = attempt(tx)
      if (transaction) return transaction
    }
  }
  throw new LegworkError('LW_TX_UNKNOWN', `The value given as tx is not a transaction we know: ${describe(tx)}.`, {
    hint: hint(tx),
  })
}

function recognise<Library>(
  guard: (value: Handle) => value is Handle & Library,
  convert: (value: Handle & Library) => Transaction,
): Recognise {
  return (value) => (guard(value) ? convert(value) : undefined)
}

interface Queryable {
  query(text: string, params: unknown[]): unknown
}

/** What can begin a transaction is a database rather than a transaction, and might run the statement outside of yours. */
function isQueryable(value: Handle): value is Handle & Queryable {
  return hasMethods(value, 'query') && !beginsTransactions(value)
}

function beginsTransactions(value: Handle): boolean {
  return ['begin', 'transaction', 'tx'].some((name) => hasMethods(value, name))
}

function fromQueryable(handle: Queryable): Transaction {
  return { query: async (text, params) => rowsOf(await handle.query(text, [...params])) }
}

function isHandle(value: unknown): value is Handle {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function describe(value: unknown): string {
  if (!isHandle(value) || typeof value === 'function') return show(value)
  const constructor: unknown = value['constructor']
  return typeof constructor === 'function' && constructor.name ? `an object of ${constructor.name}` : 'an object'
}

function hint(value: unknown): string {
  if (value instanceof Promise) return 'It is a promise; await it first.'
  if (isHandle(value) && hasMethods(value, 'query') && beginsTransactions(value)) {
    return 'It can begin transactions and may be outside of one. If it is inside, pass { query: (text, params) => … } that calls it.'
  }
  return 'Pass the open transaction of pg, postgres.js, PGlite, Drizzle, Kysely, Prisma, Knex or TypeORM, or an object with query(text, params) that runs inside yours.'
}

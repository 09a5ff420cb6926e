import { type Handle, hasMethods, notOpen, type Row, type Transaction } from './shape.ts'

/** What we use of a `QueryRunner`. */
interface QueryRunner {
  readonly isTransactionActive: boolean
  query(text: string, params: unknown[], useStructuredResult: true): Promise<{ readonly records?: Row[] }>
}

/** What we use of an `EntityManager`; a `DataSource` has no `queryRunner`. */
interface ManagerOrDataSource {
  readonly queryRunner?: QueryRunner
}

/** A DataSource, EntityManager or QueryRunner of TypeORM. */
export function isTypeOrm(value: Handle): value is Handle & (QueryRunner | ManagerOrDataSource) {
  return isQueryRunner(value) || hasMethods(value, 'query', 'transaction', 'getRepository')
}

/** The transaction of a manager or query runner of TypeORM. */
export function fromTypeOrm(handle: QueryRunner | ManagerOrDataSource): Transaction {
  const runner = isQueryRunner(handle) ? handle : handle.queryRunner
  if (!runner?.isTransactionActive) throw notOpen(describe(handle), instead)
  // The structured result is the same for every statement; the plain one is not for UPDATE and DELETE.
  return { query: async (text, params) => (await runner.query(text, [...params], true)).records ?? [] }
}

const instead =
  'the manager that dataSource.transaction(async (manager) => …) hands you, or a query runner after startTransaction()'

function describe(handle: object): string {
  if ('createQueryRunner' in handle) return 'a TypeORM DataSource'
  return `a TypeORM ${isQueryRunner(handle) ? 'query runner' : 'manager'} without an active transaction`
}

function isQueryRunner(value: object): value is QueryRunner {
  return 'isTransactionActive' in value && 'startTransaction' in value
}

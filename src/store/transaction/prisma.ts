import { type Handle, hasMethods, notOpen, rowsOf, type Transaction } from './shape.ts'

/** What we use of a Prisma client. */
interface PrismaHandle {
  $queryRawUnsafe(text: string, ...params: unknown[]): PromiseLike<unknown>
}

/** A PrismaClient or the client of an interactive transaction, extended or not. */
export function isPrisma(value: Handle): value is Handle & PrismaHandle {
  return hasMethods(value, '$queryRawUnsafe')
}

/** The interactive transaction of Prisma that `prisma.$transaction(async (tx) => …)` hands out. */
export function fromPrisma(client: Handle & PrismaHandle): Transaction {
  // Transaction clients have no $connect. They may have $transaction: since 7.x it nests by savepoints.
  if (hasMethods(client, '$connect')) {
    throw notOpen('a PrismaClient', 'the tx that prisma.$transaction(async (tx) => …) hands you')
  }
  return { query: async (text, params) => rowsOf(await client.$queryRawUnsafe(text, ...params)) }
}

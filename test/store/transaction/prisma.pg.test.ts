import { urlOf } from './handles.ts'
import { prismaClient } from './prisma-client.ts'
import { describeTransactions } from './suite.ts'

describeTransactions('Prisma', (database) => {
  const prisma = prismaClient(urlOf(database))
  return {
    transact: (note, work) =>
      prisma.$transaction(async (tx) => {
        await tx.note.create({ data: { body: note } })
        await work(tx)
      }),
    closed: { 'a PrismaClient': () => prisma },
    close: () => prisma.$disconnect(),
  }
})

describeTransactions('Prisma, an extended client', (database) => {
  const prisma = prismaClient(urlOf(database))
  const extended = prisma.$extends({ client: { greet: () => 'hello' } })
  return {
    transact: (note, work) =>
      extended.$transaction(async (tx) => {
        await tx.note.create({ data: { body: note } })
        await work(tx)
      }),
    closed: { 'a PrismaClient': () => extended },
    close: () => prisma.$disconnect(),
  }
})

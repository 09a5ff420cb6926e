import { DataSource, EntitySchema } from 'typeorm'
import type { TestDatabase } from '../../support/database.ts'
import { describeTransactions } from './suite.ts'
import { urlOf } from './handles.ts'

const Note = new EntitySchema<{ id: number; body: string }>({
  name: 'note',
  columns: { id: { type: Number, primary: true, generated: 'increment' }, body: { type: String } },
})

function connect(database: TestDatabase): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url: urlOf(database), entities: [Note] }).initialize()
}

describeTransactions('TypeORM, an entity manager', async (database) => {
  const source = await connect(database)
  return {
    transact: (note, work) =>
      source.transaction(async (manager) => {
        await manager.insert(Note, { body: note })
        await work(manager)
      }),
    closed: {
      'a TypeORM DataSource': () => source,
      'a TypeORM manager without an active transaction': () => source.manager,
    },
    close: () => source.destroy(),
  }
})

describeTransactions('TypeORM, a query runner', async (database) => {
  const source = await connect(database)
  const runner = source.createQueryRunner()
  return {
    transact: async (note, work) => {
      await runner.startTransaction()
      try {
        await runner.manager.insert(Note, { body: note })
        await work(runner)
        await runner.commitTransaction()
      } catch (error) {
        await runner.rollbackTransaction()
        throw error
      }
    },
    closed: { 'a TypeORM query runner without an active transaction': () => runner },
    close: async () => {
      await runner.release()
      await source.destroy()
    },
  }
})

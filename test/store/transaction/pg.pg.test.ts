import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { transactionOf } from '../../../src/store/transaction/transaction.ts'
import { freshDatabase } from '../../support/database.ts'
import { describeTransactions, type Library } from './suite.ts'
import { urlOf } from './handles.ts'

async function transact(client: pg.ClientBase, note: string, work: (tx: unknown) => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await client.query('insert into note (body) values ($1)', [note])
    await work(client)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

describeTransactions('pg, a client', async (database): Promise<Library> => {
  const client = new pg.Client({ connectionString: urlOf(database) })
  await client.connect()
  await client.query('select 1')
  return {
    transact: (note, work) => transact(client, note, work),
    closed: { 'a client of pg outside a transaction': () => client },
    close: () => client.end(),
  }
})

describeTransactions('pg, a client of a pool', async (database): Promise<Library> => {
  const pool = new pg.Pool({ connectionString: urlOf(database) })
  const client = await pool.connect()
  return {
    transact: (note, work) => transact(client, note, work),
    closed: { 'a pool of pg': () => pool },
    close: async () => {
      client.release()
      await pool.end()
    },
  }
})

test('pg, a client whose BEGIN is still under way is taken at its word', async () => {
  const client = new pg.Client({ connectionString: urlOf(await freshDatabase()) })
  await client.connect()
  onTestFinished(() => client.end())
  const begun = client.query('begin')
  const [row] = await transactionOf(client).query('select now()::text as now', [])
  await begun
  expect(row).toEqual({ now: expect.any(String) })
  await client.query('rollback')
  expect(() => transactionOf(client)).toThrow(expect.objectContaining({ code: 'LW_TX_NOT_OPEN' }))
})

test('pg, a client in a failed transaction gives the error of the database', async () => {
  const client = new pg.Client({ connectionString: urlOf(await freshDatabase()) })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  await expect(client.query('select 1 / 0')).rejects.toThrow('division by zero')
  await expect(transactionOf(client).query('select 1', [])).rejects.toMatchObject({ code: '25P02' })
})

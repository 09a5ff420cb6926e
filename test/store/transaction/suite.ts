import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { job, type JobRef, type Legwork, legwork } from '../../../src/index.ts'
import { transactionOf } from '../../../src/store/transaction/transaction.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'

const sendMail = job('mail.send', { input: z.object({ to: z.string() }) }, ({ input }) => `sent to ${input.to}`)

/** One library, connected to the database of one test, as its users hold it. */
export interface Library {
  /**
   * Runs `work` in a transaction of the library and writes a note by the library's own means before it.
   * The transaction commits when `work` resolves and rolls back when it throws; what it throws comes out again.
   */
  transact(note: string, work: (tx: unknown) => Promise<void>): Promise<void>
  /** Handles that are not inside a transaction, by the words in which the refusal names them. */
  readonly closed: Readonly<Record<string, () => unknown>>
  close(): Promise<void>
}

type Connect = (database: TestDatabase) => Promise<Library> | Library

interface Context {
  readonly database: TestDatabase
  readonly library: Library
  readonly lw: Legwork
}

/** What holds for the transactions of every library. */
export function describeTransactions(name: string, connect: Connect): void {
  describe(`transactions of ${name}`, () => {
    test('commit makes the job', async () => {
      const { database, library, lw } = await open(connect)
      await library.transact('kept', async (tx) => {
        await lw.enqueue(sendMail, { to: 'ada@example.org' }, { tx })
        // The only connection of PGlite is busy with the transaction.
        if (database.kind === 'postgres') expect(await contents(database)).toEqual({ notes: [], jobs: [] })
      })
      expect(await contents(database)).toEqual({ notes: ['kept'], jobs: ['mail.send'] })
    })

    test('rollback leaves none', async () => {
      const { database, library, lw } = await open(connect)
      const reason = new Error('the order is no good')
      const transaction = library.transact('lost', async (tx) => {
        await lw.enqueue(sendMail, { to: 'ada@example.org' }, { tx })
        throw reason
      })
      await expect(transaction).rejects.toBe(reason)
      expect(await contents(database)).toEqual({ notes: [], jobs: [] })
    })

    test('the job runs after the commit', async () => {
      const { library, lw } = await open(connect)
      const refs: JobRef<string>[] = []
      await lw.work({ stopOnSignal: false })
      await library.transact('kept', async (tx) => {
        refs.push(
          ...(await lw.enqueueMany(sendMail, [{ to: 'ada@example.org' }, { to: "o'hara?@example.org" }], { tx })),
        )
      })
      expect(await Promise.all(refs.map((ref) => ref.result()))).toEqual([
        'sent to ada@example.org',
        "sent to o'hara?@example.org",
      ])
    })

    test('an error of the database comes out as the library gives it', async () => {
      const { database, library } = await open(connect)
      let seen: unknown
      const transaction = library.transact('lost', async (tx) => {
        seen = await transactionOf(tx)
          .query('select 1 / $1::int', [0])
          .catch((error: unknown) => error)
        throw seen
      })
      expect(await transaction.catch((error: unknown) => error)).toBe(seen)
      expect(messages(seen)).toContain('division by zero')
      expect(seen).not.toHaveProperty('code', expect.stringMatching(/^LW_/))
      expect(await contents(database)).toEqual({ notes: [], jobs: [] })
    })

    test('parameters arrive as they are', async () => {
      const { library } = await open(connect)
      await library.transact('kept', async (tx) => {
        const json = JSON.stringify({ a: "it's", b: 'what? $2 \\?' })
        expect(await transactionOf(tx).query(everyKind, [json, 'text', 7, null, json])).toEqual([
          {
            direct: "it's",
            first: "it's",
            second: 'what? $2 \\?',
            has: 'true',
            twice: 'texttext',
            number: '8',
            missing: 'true',
            literal: '?$1',
          },
        ])
      })
    })

    test('a handle outside a transaction is refused', async () => {
      const { database, library, lw } = await open(connect)
      for (const [given, handle] of Object.entries(library.closed)) {
        const enqueued = lw.enqueue(sendMail, { to: 'ada@example.org' }, { tx: handle() })
        await expect(enqueued).rejects.toMatchObject({
          code: 'LW_TX_NOT_OPEN',
          message: expect.stringContaining(`is ${given}`),
        })
      }
      expect(await contents(database)).toEqual({ notes: [], jobs: [] })
    })
  })
}

const everyKind = `
  select $1::text::jsonb ->> 'a' as first, /* ? $1 */ $1::text::jsonb ->> 'b' as second, -- ? $2
         ($1::text::jsonb ? 'a')::text as has, $2::text || $2::text as twice, ($3::int + 1)::text as number,
         $5::jsonb ->> 'a' as direct, ($4::text is null)::text as missing, '?$1' as literal`

async function open(connect: Connect): Promise<Context> {
  const database = await freshDatabase()
  // Named with its schema: a role may have a schema of its own before public.
  await database.query('create table public.note (id int generated always as identity primary key, body text not null)')
  const library = await connect(database)
  onTestFinished(() => library.close())
  const lw = await legwork({
    jobs: [sendMail],
    database: database.kind === 'pglite' ? { pglite: database.pglite } : database.url,
  })
  onTestFinished(() => lw.close())
  return { database, library, lw }
}

async function contents(database: TestDatabase): Promise<{ notes: string[]; jobs: string[] }> {
  const notes = await database.query<{ body: string }>('select body from note order by id')
  const jobs = await database.query<{ name: string }>('select name from legwork.job order by id')
  return { notes: notes.map(({ body }) => body), jobs: jobs.map(({ name }) => name) }
}

/** The messages of an error and its causes: some libraries wrap what the driver threw. */
function messages(error: unknown): string {
  const parts: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) parts.push(cause.message)
  return parts.join('\n')
}

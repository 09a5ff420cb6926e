import { openAsBlob } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'

export interface PgliteDatabase {
  readonly kind: 'pglite'
  readonly pglite: PGlite
  query<Row = Record<string, unknown>>(sql: string, params?: unknown[]): Promise<Row[]>
  dispose(): Promise<void>
}

/** int8 as text, like `pg` does, so that a test can expect the same rows from both kinds. */
const parsers = { 20: (value: string) => value }

/**
 * Opens a copy of a dumped database, in memory. Measured (2 cores, wasm already compiled): loading the dump 0.3 s;
 * copying a folder and opening it 0.95 s in the temporary folder, 0.7 s in memory-backed storage.
 */
export async function copyPglite(dump: string, owner: string): Promise<PgliteDatabase> {
  const pglite = await PGlite.create({ loadDataDir: await openAsBlob(dump) })
  return {
    kind: 'pglite',
    pglite,
    query: async <Row>(sql: string, params?: unknown[]) => (await pglite.query<Row>(sql, params, { parsers })).rows,
    dispose: () => dispose(pglite, owner),
  }
}

async function dispose(pglite: PGlite, owner: string): Promise<void> {
  if (pglite.closed) return
  const channels = await listenedChannels(pglite)
  // Closing would wait for the transaction for ever; in memory there is nothing to clean up.
  if (channels === 'no answer') throw new Error(`Leak: ${owner} left a transaction open on its database.`)
  await pglite.close()
  if (channels.length > 0) throw new Error(`Leak: ${owner} left its database listening to ${channels.join(', ')}.`)
}

// A transaction that nobody ended holds the only connection, so the question itself shows it by staying unanswered.
async function listenedChannels(pglite: PGlite): Promise<string[] | 'no answer'> {
  const patience = new AbortController()
  try {
    const answer = pglite.query<{ channel: string }>('select pg_listening_channels() as channel')
    const channels = answer.then(({ rows }) => rows.map((row) => row.channel))
    return await Promise.race([channels, sleep(2_000, 'no answer' as const, patience)])
  } finally {
    patience.abort()
  }
}

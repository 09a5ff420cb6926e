import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { openPool } from '../support/pool.ts'
import { ledgerTable } from './lock-ledger.ts'
import { run } from './processes.ts'

test('of a killed holder the lock goes to the next, with a larger token', { timeout: 120_000 }, async () => {
  const { url } = await ledger()
  const first = run('lock-worker.ts', url)
  const old = await tokenOf(first)
  const second = run('lock-worker.ts', url)
  first.kill('SIGKILL')
  expect(await tokenOf(second)).toBeGreaterThan(old)
})

test('a paused holder that wakes up late is told, and what it writes is refused', { timeout: 120_000 }, async () => {
  const { url, entries } = await ledger()
  const first = run('lock-worker.ts', url)
  const old = await tokenOf(first)
  first.tell('write')
  await first.said('wrote')
  first.kill('SIGSTOP')
  const second = run('lock-worker.ts', url)
  expect(await tokenOf(second)).toBeGreaterThan(old)
  second.tell('write')
  await second.said('wrote')
  first.tell('write')
  first.kill('SIGCONT')
  await Promise.all([first.said('refused'), first.said('aborted LW_LOCK_LOST')])
  expect(await entries()).toBe(2)
  expect(second.lines).not.toContain('aborted LW_LOCK_LOST')
})

async function ledger(): Promise<{ url: string; entries: () => Promise<number> }> {
  const database = await freshDatabase()
  if (database.kind !== 'postgres') throw new Error('this test needs a server')
  const pool = openPool(database.url)
  await pool.query(ledgerTable)
  const entries = async () =>
    Number((await pool.query<{ entries: number }>('select entries from ledger')).rows[0]?.entries)
  return { url: database.url, entries }
}

async function tokenOf(script: ReturnType<typeof run>): Promise<bigint> {
  return BigInt((await script.said((line) => line.startsWith('token '))).slice(6))
}

import pg from 'pg'
import { onTestFinished } from 'vitest'

/**
 * A pool for a test to look with, closed when the test ends. `pool.end()` resolves before the server knows of it: one
 * that is stopped next still tells the clients so, and without a listener that would be an error of nobody.
 */
export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined) // what breaks between two queries is told by the next one
  pool.on('connect', (client) => client.on('error', () => undefined))
  onTestFinished(() => pool.end())
  return pool
}

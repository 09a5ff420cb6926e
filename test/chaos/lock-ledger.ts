import type pg from 'pg'

/** What a lock protects: it refuses an older token than it has seen. */
export const ledgerTable =
  'create table ledger (token bigint not null, entries int not null); insert into ledger values (0, 0)'

export async function writeWith(pool: pg.Pool, token: bigint): Promise<boolean> {
  const { rowCount } = await pool.query('update ledger set token = $1, entries = entries + 1 where token <= $1', [
    String(token),
  ])
  return rowCount === 1
}

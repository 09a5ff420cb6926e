import type pg from 'pg'
import { Abort, type AnyJob, job } from '../../src/index.ts'

export const sagaTables = `
  create table ledger (n int, entry text);
  create table hold (n int primary key);
  create table charge (key text primary key, n int, refunded boolean default false);
  create table shipped (n int primary key)`

/** Which orders come to what end. */
export const isDeclined = (n: number): boolean => n % 5 === 0
export const isUnshippable = (n: number): boolean => n % 11 === 4
export const fails = (n: number): boolean => isDeclined(n) || isUnshippable(n)

/**
 * An order: its stock in the same database, a payment and a shipping service that know nothing of transactions. Shipping
 * is a job of its own, and so is what gives stock back.
 */
export function sagaJobs(pool: pg.Pool) {
  const options = { retry: { attempts: 20, backoff: 'fixed', first: '50ms' }, crashes: 1_000 } as const
  const release = job('release', options, async ({ input }) => {
    await pool.query('delete from hold where n = $1', [input])
  })
  const ship = job('ship', options, async ({ input }) => {
    if (isUnshippable(input as number)) throw new Abort('no carrier goes there')
    await pool.query('insert into shipped values ($1) on conflict do nothing', [input])
    return input as number
  })
  const order = job('order', options, async ({ input, step, sleep, run }) => {
    const n = input as number
    await step('hold', () => pool.query('insert into hold values ($1) on conflict do nothing', [n]).then(() => n), {
      undo: release.with(n),
    })
    await step.tx('book', (tx) => tx.query('insert into ledger values ($1, $2) returning n', [n, 'booked']))
    if (n % 3 === 0) await sleep('1500ms')
    await step('charge', ({ idempotencyKey, attempt }) => charge(pool, idempotencyKey, n, attempt), {
      undo: async (_output, { key, attempt }) => {
        if (n % 2 === 0 && attempt === 1) throw new Error('the payment service is busy')
        await pool.query('update charge set refunded = true where key = $1', [key])
      },
    })
    await run(ship, n)
    await step.tx('close', (tx) => tx.query('insert into ledger values ($1, $2) returning n', [n, 'closed']))
    return n
  })
  return { order, all: [order, ship, release] satisfies AnyJob[] }
}

async function charge(pool: pg.Pool, key: string, n: number, attempt: number): Promise<string> {
  if (isDeclined(n) && n % 2 === 1) throw new Abort('card declined')
  await pool.query('insert into charge (key, n) values ($1, $2) on conflict do nothing', [key, n])
  if (isDeclined(n)) throw new Abort('charged, and then an error')
  if (n % 7 === 3 && attempt === 1) throw new Error('charged, and no answer came')
  return key
}

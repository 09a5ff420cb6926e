import { Abort, type StepTransaction, type Transaction } from 'legwork'

/** What the steps after the first need to know. */
export interface Bought {
  readonly order: string
  readonly product: string
  readonly quantity: number
  readonly cents: number
  readonly card: string
  readonly email: string
}

export async function begin(tx: StepTransaction, order: string): Promise<Bought> {
  const rows = await tx.query(
    `update shop.orders set status = 'processing' where id = $1 returning id as order, product, quantity, cents, card, email`,
    [order],
  )
  if (!rows[0]) throw new Abort('There is no such order.')
  return rows[0] as unknown as Bought
}

export async function reserve(tx: StepTransaction, order: string): Promise<void> {
  const taken = await tx.query(
    `update shop.product p set stock = p.stock - o.quantity from shop.orders o
      where o.id = $1 and p.id = o.product and p.stock >= o.quantity returning p.id`,
    [order],
  )
  if (taken.length === 0) throw new Abort(await shortage(tx, order))
  await tx.query(
    `insert into shop.reservation (order_id, product, quantity)
     select id, product, quantity from shop.orders where id = $1`,
    [order],
  )
}

async function shortage(tx: StepTransaction, order: string): Promise<string> {
  const rows = await tx.query(
    'select p.name, p.stock from shop.product p join shop.orders o on o.product = p.id where o.id = $1',
    [order],
  )
  const { name, stock } = rows[0] as { name: string; stock: number }
  return stock === 0 ? `${name}: sold out.` : `${name}: only ${stock} left.`
}

/** The reservation says what is to be given back; doing it twice gives nothing twice. */
export async function release(tx: StepTransaction, order: string): Promise<void> {
  await tx.query(
    `with given as (delete from shop.reservation where order_id = $1 returning product, quantity)
     update shop.product p set stock = p.stock + given.quantity from given where p.id = given.product`,
    [order],
  )
}

export async function confirm(tx: StepTransaction, order: string): Promise<void> {
  await tx.query(`update shop.orders set status = 'confirmed' where id = $1`, [order])
}

export async function fail(tx: Transaction, order: string, reason: string): Promise<void> {
  // The customer reads why, not at which step and after how many tries.
  const plain = reason.replace(/^Step ".*?" failed after \d+ tr(?:y|ies): /, '')
  await tx.query(`update shop.orders set status = 'failed', reason = $2 where id = $1`, [order, plain])
}

export async function addSale(tx: StepTransaction, { product, quantity }: Bought): Promise<void> {
  await tx.query(
    `insert into shop.leaderboard (product, sold) values ($1, $2::int)
     on conflict (product) do update set sold = leaderboard.sold + excluded.sold`,
    [product, quantity],
  )
}

export async function finish(tx: StepTransaction, order: string, parcel: string | undefined): Promise<void> {
  await tx.query('update shop.orders set parcel = $2 where id = $1', [order, parcel ?? null])
}

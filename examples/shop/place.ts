import { randomUUID } from 'node:crypto'
import type { Contract, Legwork } from 'legwork'

/** What comes out of the form: text, and not to be trusted. */
export interface Fields {
  readonly product: string
  readonly quantity: string
  readonly email: string
  readonly card: string
}

/** Something that the customer can put right. Nothing was stored. */
export class Invalid extends Error {}

/** Test cards, by what the payment service calls them. */
export const cards: Readonly<Record<string, { readonly number: string; readonly what: string }>> = {
  card_good: { number: '4242 4242 4242 4242', what: 'works' },
  card_declined: { number: '4000 0000 0000 0002', what: 'is declined' },
  card_blocked: { number: '4000 0000 0000 0341', what: 'is charged, then blocked' },
}

export const mostPieces = 20

/**
 * Stores the order and the job that carries it out in one transaction: there is never the one without the other.
 * @returns the id of the order
 * @throws Invalid: nothing was stored
 */
export async function place(
  lw: Legwork,
  job: Contract<{ order: string }, unknown>,
  fields: Fields,
): Promise<{ order: string; job: string }> {
  const { quantity, email, card } = check(fields)
  const order = randomUUID()
  return lw.transaction(async (tx) => {
    const rows = await tx.query(
      `insert into shop.orders (id, product, quantity, cents, email, card)
       select $1, p.id, $3::int, p.cents * $3::int, $4, $5 from shop.product p where p.id = $2 returning id`,
      [order, fields.product, quantity, email, card],
    )
    if (rows.length === 0) throw new Invalid('We do not have that product. Please choose one from the list.')
    const ref = await lw.enqueue(job, { order }, { tx })
    await tx.query('update shop.orders set job = $2 where id = $1', [order, ref.id])
    return { order, job: ref.id }
  })
}

function check({ quantity: text, email, card }: Fields): { quantity: number; email: string; card: string } {
  if (!/^\d{1,9}$/.test(text.trim())) throw new Invalid('Please give the quantity as a whole number, such as 2.')
  const quantity = Number(text)
  if (quantity < 1) throw new Invalid('Please order at least one piece.')
  if (quantity > mostPieces) throw new Invalid(`Please order ${mostPieces} pieces at most.`)
  if (!/^[\w.+-]{1,64}@[a-z\d-]{1,63}(?:\.[a-z\d-]{1,63})+$/i.test(email))
    throw new Invalid('Please give an e-mail address such as ada@example.com.')
  if (!Object.hasOwn(cards, card)) throw new Invalid('Please choose one of the test cards.')
  return { quantity, email, card }
}

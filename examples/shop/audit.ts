import type { Shop } from './shop.ts'

/** One thing that must be so, and what was found. */
export interface Finding {
  readonly what: string
  readonly isRight: boolean
  readonly detail: string
}

interface Line {
  readonly id: string
  readonly cents: number
  readonly quantity: number
  readonly status: string
  readonly parcel: string | null
  /** State of its job. */
  readonly state: string
}

/** Compares what the shop, the engine, the bank, the carrier and the mailbox say. */
export async function audit(shop: Shop, placed: number): Promise<Finding[]> {
  const lines = await orderLines(shop)
  const confirmed = lines.filter(({ status }) => status === 'confirmed')
  return [
    ...checkOrders(lines, confirmed, placed),
    ...(await checkStock(shop, confirmed)),
    ...(await checkServices(shop, lines, confirmed)),
    checkMails(shop, confirmed),
  ]
}

async function orderLines({ lw, transact }: Shop): Promise<Line[]> {
  const rows = await transact((tx) =>
    tx.query('select id, cents, quantity, status, parcel, job from shop.orders order by placed_at', []),
  )
  const lines: Line[] = []
  for (const row of rows as unknown as (Line & { job: string })[])
    lines.push({ ...row, state: (await lw.ref(row.job).status()).state })
  return lines
}

function checkOrders(lines: readonly Line[], confirmed: readonly Line[], placed: number): Finding[] {
  const failed = lines.filter(({ status }) => status === 'failed')
  const stuck = lines.length - confirmed.length - failed.length
  const unlike = [
    ...confirmed.filter(({ state }) => state !== 'completed'),
    ...failed.filter(({ state }) => state !== 'compensated'),
  ]
  return [
    finding(
      'Orders',
      lines.length === placed,
      `${lines.length} placed, ${confirmed.length} confirmed, ${failed.length} failed`,
    ),
    finding('Stuck orders', stuck === 0, String(stuck)),
    finding('Jobs', unlike.length === 0, `${unlike.length} ended otherwise than their order`),
  ]
}

async function checkStock({ transact }: Shop, confirmed: readonly Line[]): Promise<Finding[]> {
  const [totals] = (await transact((tx) =>
    tx.query(
      `select (select sum(delivered - stock) from shop.product)::int as gone,
              (select count(*) from shop.product p
                where p.delivered - p.stock <> (select coalesce(sum(o.quantity), 0) from shop.orders o
                                                 where o.product = p.id and o.status = 'confirmed'))::int as unlike,
              (select coalesce(sum(sold), 0) from shop.leaderboard)::int as sold,
              (select count(*) from shop.reservation)::int as reservations`,
      [],
    ),
  )) as unknown as [{ gone: number; unlike: number; sold: number; reservations: number }]
  const { gone, unlike, sold, reservations } = totals
  const pieces = sum(confirmed, 'quantity')
  return [
    finding('Stock', gone === pieces && unlike === 0, `${gone} pieces gone, ${pieces} sold`),
    finding(
      'Reservations',
      reservations === confirmed.length,
      `${reservations} of ${confirmed.length} confirmed orders`,
    ),
    finding('Leaderboard', sold === pieces, `${sold} pieces`),
  ]
}

async function checkServices(
  { services }: Shop,
  lines: readonly Line[],
  confirmed: readonly Line[],
): Promise<Finding[]> {
  const { charges, parcels } = await services.books()
  const kept = new Map<string, number[]>()
  for (const { order, cents, refunded } of charges)
    if (cents !== refunded) kept.set(order, [...(kept.get(order) ?? []), cents - refunded])
  const wrong = lines.filter(({ id, cents, status }) => {
    const expected = status === 'confirmed' ? [cents] : []
    return JSON.stringify(kept.get(id) ?? []) !== JSON.stringify(expected)
  })
  const charged = sum(charges, 'cents')
  const refunded = sum(charges, 'refunded')
  const earned = sum(confirmed, 'cents')
  const money = `${euros(charged)} charged − ${euros(refunded)} refunded = ${euros(charged - refunded)}, sold for ${euros(earned)}`
  return [
    finding('Money', charged - refunded === earned, money),
    finding('Charges', wrong.length === 0, `${charges.length} made, ${wrong.length} orders paid otherwise than once`),
    finding(
      'Parcels',
      isSame(
        parcels.map(({ order, parcel }) => order + parcel),
        confirmed.map(({ id, parcel }) => id + parcel),
      ),
      `${parcels.length} sent`,
    ),
  ]
}

function checkMails({ mailbox }: Shop, confirmed: readonly Line[]): Finding {
  const copies = [...mailbox.mails.values()].reduce((total, mail) => total + mail.copies, 0)
  const wanted = confirmed.map(({ id }) => `<order-${id}@shop.example>`)
  const detail = `${mailbox.mails.size} by Message-ID, ${copies - mailbox.mails.size} received more than once`
  return finding('Mails', isSame([...mailbox.mails.keys()], wanted), detail)
}

function finding(what: string, isRight: boolean, detail: string): Finding {
  return { what, isRight, detail }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted())
}

function sum<K extends string>(items: readonly Readonly<Record<K, number>>[], of: K): number {
  return items.reduce((total, item) => total + item[of], 0)
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Shop } from '../../examples/shop/shop.ts'
import { buildPackage, patience, runExample } from '../support/example.ts'

let folder: string

beforeAll(buildPackage, patience)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'legwork-shop-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

test('--once carries out one order on the embedded database', { timeout: patience }, async () => {
  const { code, output } = await run('--once')
  expect(code, output).toBe(0)
  expect(output).toMatch(/charge card completed[^]*confirm completed[^]*ship completed/)
  expect(output).toMatch(/Order confirmed, mail sent, parcel P-1001/)
})

test('names what is wrong with the command line', { timeout: patience }, async () => {
  expect(await run('--storm', 'many')).toMatchObject({
    code: 2,
    output: expect.stringContaining('--storm takes a number of orders'),
  })
  expect(await run('--twice')).toMatchObject({ code: 2, output: expect.stringContaining('Try --help') })
})

test('an order that cannot be is refused with a message, and nothing is stored', { timeout: patience }, async () => {
  await withServer(async ({ transact, lw }, url) => {
    const refused: [changed: Record<string, string>, message: string][] = [
      [{ product: 'yacht' }, 'We do not have that product'],
      [{ product: `teapot'; drop table shop.orders; --` }, 'We do not have that product'],
      [{ quantity: '0' }, 'at least one piece'],
      [{ quantity: '-3' }, 'as a whole number'],
      [{ quantity: '1.5' }, 'as a whole number'],
      [{ quantity: 'ten' }, 'as a whole number'],
      [{ quantity: '' }, 'as a whole number'],
      [{ quantity: '21' }, '20 pieces at most'],
      [{ quantity: '99999999999999999999' }, 'as a whole number'],
      [{ email: 'ada' }, 'an e-mail address'],
      [{ email: 'ada@example.com\r\nBcc: all@example.com' }, 'an e-mail address'],
      [{ card: 'constructor' }, 'one of the test cards'],
      [{ email: '<script>@x' }, '&lt;script&gt;@x'],
    ]
    for (const [changed, message] of refused) {
      const response = await order(url, changed)
      expect(response.status, JSON.stringify(changed)).toBe(422)
      expect(await response.text(), JSON.stringify(changed)).toContain(message)
    }
    const code = async (path: string, options?: RequestInit) => (await fetch(`${url}${path}`, options)).status
    expect(await code('/orders', { method: 'POST', body: '{}' })).toBe(415)
    expect((await order(url, { email: 'x'.repeat(5_000) })).status).toBe(413)
    expect((await order(url, {}, { origin: 'http://elsewhere.example' })).status).toBe(403)
    expect(await code('/orders')).toBe(405)
    expect(await code('/orders/00000000-0000-0000-0000-000000000000')).toBe(404)
    expect(await code('/orders/00000000-0000-0000-0000-000000000000/events')).toBe(404)
    expect(await transact((tx) => tx.query('select id from shop.orders', []))).toEqual([])
    expect((await lw.list()).jobs).toEqual([])
  })
})

test(
  'a declined card, a blocked one and an empty shelf: failed, and all is given back',
  { timeout: patience },
  async () => {
    await withServer(async (shop, url) => {
      await shop.lw.work({ concurrency: 4, stopOnSignal: false })
      const declined = await ended(shop, await order(url, { card: 'card_declined' }))
      expect(declined).toMatchObject({ status: 'failed', state: 'compensated', reason: 'The card was declined.' })
      const blocked = await ended(shop, await order(url, { card: 'card_blocked' }))
      expect(blocked).toMatchObject({ reason: 'The card was blocked after it was charged.', state: 'compensated' })
      const short = await ended(shop, await order(url, { product: 'globe', quantity: '6' }))
      expect(short).toMatchObject({ status: 'failed', state: 'compensated', reason: 'Desk globe: only 5 left.' })

      const left =
        'select id from shop.product where stock <> delivered union all select order_id from shop.reservation'
      expect(await shop.transact((tx) => tx.query(left, []))).toEqual([])
      const { charges, parcels } = await shop.services.books()
      expect(charges).toMatchObject([{ order: blocked.id, cents: 3_450, refunded: 3_450 }])
      expect(parcels).toEqual([])
      expect(shop.mailbox.mails.size).toBe(0)

      const page = await (await fetch(`${url}/orders/${blocked.id}`)).text()
      expect(page).toMatch(/Charge refunded[^]*Stock given back[^]*Order marked as failed/)
      const feed = await (await fetch(`${url}/orders/${blocked.id}/events`)).text()
      expect(feed).toContain('Everything was undone; you pay nothing.')
      expect(feed).toMatch(/event: over\ndata: \n\n$/)
    })
  },
)

test(
  'what fails after the order was paid for takes nothing back: it stays confirmed',
  { timeout: patience },
  async () => {
    await withServer(async (shop, url) => {
      await shop.lw.work({ concurrency: 4, stopOnSignal: false })
      const answer = await order(url, { email: 'ada@nowhere.example', quantity: '2', product: 'kite' })
      const found = await ended(shop, answer)
      expect(found).toMatchObject({ status: 'confirmed', state: 'completed', parcel: null })

      const job = await shop.lw.ref(found.job).result()
      expect(job).toEqual({ mailed: false, parcel: null })
      expect(shop.mailbox.mails.size).toBe(0)
      const { charges, parcels } = await shop.services.books()
      expect(charges).toMatchObject([{ order: found.id, cents: 3_780, refunded: 0 }])
      expect(parcels).toEqual([])
      const page = await (await fetch(`${url}/orders/${found.id}`)).text()
      expect(page).not.toMatch(/refunded|given back/)
    })
  },
)

/** The shop in this process, on a database of its own. Nothing runs before `work`. */
async function withServer(use: (shop: Shop, url: string) => Promise<void>): Promise<void> {
  const { withShop } = await import('../../examples/shop/shop.ts')
  const { createShopServer } = await import('../../examples/shop/server.ts')
  const { listen } = await import('../../examples/support/listen.ts')
  await withShop(join(folder, 'db'), async (shop) => {
    const server = createShopServer(shop)
    try {
      await use(shop, await listen(server, 4600))
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
}

function order(url: string, changed: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  const fields = { product: 'teapot', quantity: '1', email: 'ada@example.com', card: 'card_good', ...changed }
  return fetch(`${url}/orders`, { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams(fields) })
}

interface Ended {
  readonly id: string
  readonly status: string
  readonly reason: string | null
  readonly parcel: string | null
  readonly job: string
  readonly state: string
}

/** What became of the order that the answer leads to. */
async function ended({ lw, transact }: Shop, response: Response): Promise<Ended> {
  expect(response.status).toBe(303)
  const id = /^\/orders\/([\da-f-]{36})$/.exec(response.headers.get('location') ?? '')![1]!
  const find = () =>
    transact((tx) => tx.query('select id, status, reason, parcel, job from shop.orders where id = $1', [id]))
  const [{ job }] = (await find()) as unknown as [{ job: string }]
  const ref = lw.ref(job)
  for await (const event of ref.events()) if (event.type === 'ended') break
  const [row] = (await find()) as unknown as [Ended]
  return { ...row, state: (await ref.status()).state }
}

function run(...args: string[]): Promise<{ code: number; output: string }> {
  return runExample('shop', folder, args)
}

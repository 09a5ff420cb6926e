import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { css } from './css.ts'
import { streamOrder, viewOf } from './live.ts'
import { emptyForm, liveScript, messagePage, orderPage, shopPage } from './page.ts'
import { type Fields, Invalid, place } from './place.ts'
import type { Shop } from './shop.ts'
import { products } from './tables.ts'

interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
}

type Handler = (shop: Shop, visit: Visit) => Promise<void>

/** Every address there is. */
const routes: readonly [method: string, path: RegExp, handler: Handler][] = [
  ['GET', /^\/$/, showShop],
  ['GET', /^\/page\.css$/, async (_shop, { response }) => reply(response, 200, 'text/css', css)],
  ['GET', /^\/live\.js$/, async (_shop, { response }) => reply(response, 200, 'text/javascript', liveScript)],
  ['POST', /^\/orders$/, takeOrder],
  ['GET', /^\/orders\/([\da-f-]{36})$/, showOrder],
  ['GET', /^\/orders\/([\da-f-]{36})\/events$/, (shop, { response, id }) => streamOrder(shop, response, id)],
]

/** Something to be answered with a page that says so. */
class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export function createShopServer(shop: Shop): Server {
  return createServer((request, response) => {
    answer(shop, request, response).catch((error: unknown) => fail(request, response, error))
  })
}

async function answer(shop: Shop, request: IncomingMessage, response: ServerResponse): Promise<void> {
  requireOwnPage(request)
  const path = (request.url ?? '').replace(/\?.*/s, '')
  for (const [method, pattern, handler] of routes) {
    const match = pattern.exec(path)
    if (!match) continue
    if (request.method !== method) throw new Refused(405, `${request.method} is not possible here.`)
    return handler(shop, { request, response, id: match[1] ?? '' })
  }
  throw new Refused(404, 'There is no such page.')
}

/** Other pages in the same browser can reach 127.0.0.1 too, some under a name of their own: they order nothing. */
function requireOwnPage({ headers }: IncomingMessage): void {
  const { host = '', origin } = headers
  const isLocal = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(host)
  if (!isLocal || (origin !== undefined && origin !== `http://${host}`))
    throw new Refused(403, 'Only the shop itself may ask for this.')
}

async function showShop({ transact }: Shop, { response }: Visit): Promise<void> {
  reply(response, 200, 'text/html', shopPage(await products(transact), emptyForm))
}

async function takeOrder({ lw, jobs, transact }: Shop, { request, response }: Visit): Promise<void> {
  const fields = await readForm(request)
  try {
    const { order } = await place(lw, jobs.placeOrder, fields)
    response.writeHead(303, { location: `/orders/${order}` }).end()
  } catch (error) {
    if (!(error instanceof Invalid)) throw error
    reply(response, 422, 'text/html', shopPage(await products(transact), fields, error.message))
  }
}

const mostBytes = 4_096

async function readForm(request: IncomingMessage): Promise<Fields> {
  if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    throw new Refused(415, 'Please use the form.')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBytes) throw new Refused(413, 'That is too much for an order.')
    chunks.push(chunk)
  }
  const form = new URLSearchParams(Buffer.concat(chunks).toString())
  const field = (name: string) => (form.get(name) ?? '').trim()
  return { product: field('product'), quantity: field('quantity'), email: field('email'), card: field('card') }
}

async function showOrder(shop: Shop, { response, id }: Visit): Promise<void> {
  const view = await viewOf(shop, id)
  if (!view) throw new Refused(404, 'There is no such order.')
  reply(response, 200, 'text/html', orderPage(view))
}

const safe = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...safe, 'content-type': `${type}; charset=utf-8` }).end(body)
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  request.resume() // a client that is still sending reads the answer only after it has sent everything
  if (error instanceof Refused) return reply(response, error.status, 'text/html', messagePage(error.message))
  console.error(error)
  reply(response, 500, 'text/html', messagePage('Something went wrong. Nothing was ordered.'))
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { text } from 'node:stream/consumers'

// The payment service, and a carrier beside it: a process of its own that knows nothing of the shop and its transactions.
// It is slow, sometimes fails, and sometimes does what it was asked and then never answers. Of each idempotency key it
// does one thing once. What it knows it keeps in memory.

interface Account {
  readonly key: string
  readonly order: string
  readonly cents: number
  refunded: number
}

const charges = new Map<string, Account>()
/** Keys that were refunded before they were charged, as a charge that is late can be: it is refused when it comes. */
const voided = new Set<string>()
const parcels = new Map<string, { readonly key: string; readonly order: string; readonly parcel: string }>()
const isFaulty = process.argv[2] !== 'reliable'

interface Request {
  readonly key: string
  readonly order: string
  readonly cents: number
  readonly card: string
  readonly to: string
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

const actions: Readonly<Record<string, (request: Request) => Answer>> = {
  '/charges': ({ key, order, cents, card }) => {
    if (card === 'card_declined') return { status: 402, body: { error: 'The card was declined.' } }
    if (voided.has(key)) return { status: 402, body: { error: 'This payment was cancelled before.' } }
    if (!charges.has(key)) charges.set(key, { key, order, cents, refunded: 0 })
    if (card === 'card_blocked') return { status: 402, body: { error: 'The card was blocked after it was charged.' } }
    return { status: 200, body: { receipt: `receipt-${key.slice(-12)}` } }
  },
  '/refunds': ({ key }) => {
    const charge = charges.get(key)
    if (charge) charge.refunded = charge.cents
    else voided.add(key)
    return { status: 200, body: {} }
  },
  '/parcels': ({ key, order, to }) => {
    if (to.endsWith('@nowhere.example')) return { status: 422, body: { error: 'No carrier goes there.' } }
    const parcel = parcels.get(key) ?? { key, order, parcel: `P-${1_001 + parcels.size}` }
    parcels.set(key, parcel)
    return { status: 200, body: parcel }
  },
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/books') {
    return reply(response, { status: 200, body: { charges: [...charges.values()], parcels: [...parcels.values()] } })
  }
  const action = actions[request.url ?? '']
  if (!action) return reply(response, { status: 404, body: { error: 'no such service' } })
  const body = JSON.parse(await text(request)) as Request
  await sleep(40 + Math.random() * 260)
  const luck = isFaulty ? Math.random() : 1
  if (luck < 0.15) return reply(response, { status: 503, body: { error: 'the service is busy' } })
  const done = action(body)
  if (luck >= 0.3) reply(response, done) // otherwise it is done, and no answer comes
}

function reply(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address && typeof address === 'object') process.stdout.write(`listening http://127.0.0.1:${address.port}\n`)
})
// Whoever started it holds the other end: it ends with them, however they end.
process.stdin.resume().on('close', () => process.exit(0))

import { createReadStream } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { LegworkError } from 'legwork'
import { app } from './app.ts'
import { Refused } from './blobs.ts'
import { cardOf } from './cards.ts'
import { newestCards, type Overview, streamJob } from './live.ts'
import { receive } from './upload.ts'

interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly parts: readonly string[]
}

type Handler = (visit: Visit) => Promise<void>

/** Every address there is. Anything else is 404, and another method 405. */
function routes(overview: Overview): readonly [path: RegExp, methods: Readonly<Record<string, Handler>>][] {
  return [
    [/^\/$/, { GET: page('index.html', 'text/html') }],
    [/^\/page\.css$/, { GET: page('page.css', 'text/css') }],
    [/^\/page\.js$/, { GET: page('page.js', 'text/javascript') }],
    [/^\/events$/, { GET: ({ response }) => overview.stream(response) }],
    [
      /^\/photos$/,
      { GET: async ({ response }) => json(response, 200, await newestCards()), POST: (visit) => post(visit, overview) },
    ],
    [/^\/photos\/([0-9a-f]{32})$/, { GET: card }],
    [/^\/photos\/([0-9a-f]{32})\/(\d{1,5})\.webp$/, { GET: thumbnail }],
    [/^\/jobs\/(\d{1,19})\/events$/, { GET: jobEvents }],
  ]
}

export function createAppServer(overview: Overview): Server {
  const table = routes(overview)
  return createServer((request, response) => {
    answer(table, request, response).catch((error: unknown) => fail(request, response, error))
  })
}

async function answer(
  table: ReturnType<typeof routes>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  requireOwnPage(request)
  if (!request.url?.startsWith('/')) throw new Refused(400, 'not an address')
  const url = new URL(`http://localhost${request.url}`)
  for (const [path, methods] of table) {
    const match = path.exec(url.pathname)
    if (!match) continue
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
    const handler = methods[method]
    if (handler) return handler({ request, response, url, parts: match.slice(1) })
    response.setHeader('allow', Object.keys(methods).join(', '))
    throw new Refused(405, `${request.method} is not possible here`)
  }
  throw new Refused(404, 'there is nothing here')
}

/** Other pages in the same browser can reach 127.0.0.1 too, some under a name of their own: they get nothing. */
function requireOwnPage({ headers }: IncomingMessage): void {
  const { host = '', origin } = headers
  const local = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(host)
  if (!local || (origin !== undefined && origin !== `http://${host}`)) throw new Refused(403, 'only for its own page')
}

/** 202: the photo is safe and will be done; where to ask and when. */
async function post({ request, response, url }: Visit, overview: Overview): Promise<void> {
  const receipt = await receive(request, nameOf(url.searchParams.get('name')))
  overview.touch(receipt.id)
  const status = `/photos/${receipt.id}`
  if (receipt.outcome === 'already done') return json(response, 200, { ...receipt, status }, { location: status })
  json(response, 202, { ...receipt, status }, { location: status, 'retry-after': '1' })
}

/** Only for people to read: the name plays no part in where anything is stored. */
function nameOf(given: string | null): string {
  const name = (given ?? '')
    .replaceAll(/\p{Cc}/gu, '')
    .trim()
    .slice(0, 120)
  return name === '' ? 'unnamed photo' : name.toWellFormed()
}

async function card({ response, parts: [id = ''] }: Visit): Promise<void> {
  const photo = await app.photos.find(id)
  if (!photo) throw new Refused(404, 'no such photo')
  json(response, 200, await cardOf(photo))
}

async function thumbnail({ response, parts: [id = '', width] }: Visit): Promise<void> {
  const file = await app.blobs.openThumbnail(id, Number(width)).catch(() => {
    throw new Refused(404, 'no such thumbnail')
  })
  // The address contains the hash of the photo, so what is behind it never changes.
  response.writeHead(200, { ...safe, 'content-type': 'image/webp', 'cache-control': 'max-age=31536000, immutable' })
  await pipeline(file, response)
}

async function jobEvents({ request, response, parts: [id = ''] }: Visit): Promise<void> {
  const seen = request.headers['last-event-id']
  await streamJob(response, id, typeof seen === 'string' && seen !== '' ? seen : undefined)
}

function page(file: string, type: string): Handler {
  const path = fileURLToPath(new URL(`page/${file}`, import.meta.url))
  return async ({ response }) => {
    response.writeHead(200, { ...safe, 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-cache' })
    await pipeline(createReadStream(path), response)
  }
}

const safe = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...safe, 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(JSON.stringify(body))
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  request.resume() // a client that is still sending reads the answer only after it has sent everything
  const status = error instanceof Refused ? error.status : isMissing(error) ? 404 : 500
  if (status === 500) console.error(error)
  const message = status !== 500 && error instanceof Error ? error.message : 'something went wrong'
  json(response, status, { error: message })
}

function isMissing(error: unknown): boolean {
  return error instanceof LegworkError && error.code === 'LW_JOB_NOT_FOUND'
}

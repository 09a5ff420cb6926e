import type { ServerResponse } from 'node:http'
import { type EventName, type JobEvent, type Legwork, LegworkError } from 'legwork'
import { app } from './app.ts'
import { cardOf } from './cards.ts'

const beat = 15_000

/** Starts a stream of server-sent events. The signal aborts when the reader has gone. */
function stream(response: ServerResponse): {
  send: (event: string, data: unknown, id?: string) => void
  signal: AbortSignal
} {
  const gone = new AbortController()
  // A line now and then, so that a proxy or a dead connection is noticed.
  const timer = setInterval(() => response.write(': still here\n\n'), beat)
  response.on('close', () => {
    clearInterval(timer)
    gone.abort()
  })
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write('retry: 1000\n\n')
  const send = (event: string, data: unknown, id?: string) => {
    response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }
  return { send, signal: gone.signal }
}

/** The feed of one job from the cursor on that the browser saw last. */
export async function streamJob(response: ServerResponse, id: string, after: string | undefined): Promise<void> {
  await app.lw.ref(id).status() // an unknown job is an answer of 404, not a stream that fails
  const { send, signal } = stream(response)
  try {
    for await (const event of app.lw.ref(id).events({ signal, ...(after !== undefined && { after }) })) {
      send(event.type, withoutStack(event), event.cursor)
    }
  } catch (error) {
    send('refused', { message: error instanceof LegworkError ? error.message : 'The feed broke off.' })
  }
  response.end()
}

/** A stack is for the one who runs the server, not for whoever looks at the page. */
function withoutStack(event: JobEvent): unknown {
  return 'error' in event && event.error
    ? { ...event, error: { name: event.error.name, message: event.error.message } }
    : event
}

const moves = [
  'started',
  'progress',
  'retrying',
  'snoozed',
  'completed',
  'dead',
  'cancelled',
  'released',
] as const satisfies EventName[]

/** Tells every open page which photos have changed: what is shown is always read afresh, so nothing can get out of step. */
export class Overview {
  readonly #pages = new Set<(event: string, data: unknown) => void>()
  readonly #changed = new Set<string>()
  #planned = false

  /** @param photoOf the photo a job is about */
  constructor(lw: Legwork, photoOf: (job: string) => string | undefined) {
    for (const move of moves) {
      lw.on(move, ({ id }) => {
        const photo = photoOf(id)
        if (photo !== undefined) this.touch(photo)
      })
    }
  }

  async stream(response: ServerResponse): Promise<void> {
    const { send, signal } = stream(response)
    this.#pages.add(send)
    signal.addEventListener('abort', () => this.#pages.delete(send))
    send('photos', await newestCards())
  }

  tell(message: string): void {
    for (const send of this.#pages) send('message', { message })
  }

  /** Several changes within a moment are one. */
  touch(photo: string): void {
    this.#changed.add(photo)
    if (this.#planned) return
    this.#planned = true
    setTimeout(() => void this.#flush(), 60)
  }

  async #flush(): Promise<void> {
    const ids = [...this.#changed]
    this.#changed.clear()
    this.#planned = false
    if (this.#pages.size === 0) return
    try {
      for (const id of ids) {
        const photo = await app.photos.find(id)
        const card = photo && (await cardOf(photo))
        for (const send of this.#pages) send('photo', card)
      }
    } catch {
      // The database is closing or away: the page reconnects and reads everything again.
    }
  }
}

export async function newestCards(): Promise<unknown> {
  const photos = await app.photos.newest(60)
  return Promise.all(photos.map(cardOf))
}

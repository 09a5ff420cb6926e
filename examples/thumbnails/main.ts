import { once } from 'node:events'
import { relative, resolve } from 'node:path'
import { legwork } from 'legwork'
import { listen } from '../support/listen.ts'
import { runProgram } from '../support/program.ts'
import { app } from './app.ts'
import { Blobs } from './blobs.ts'
import { type Database, openDatabase } from './database.ts'
import { feed } from './feed.ts'
import { notify, thumbnails, uploaded } from './jobs.ts'
import { Overview } from './live.ts'
import { Narrator } from './narrator.ts'
import { findPhotos, help, type Options, readOptions } from './options.ts'
import { Photos } from './photos.ts'
import { createAppServer } from './server.ts'
import { Terminal } from './terminal.ts'

const terminal = new Terminal(process.stdout)

await runProgram({ help, readOptions, main, clear: () => terminal.clear() })

async function main(options: Options, interrupted: AbortSignal): Promise<number> {
  const paths = await findPhotos(options.folder)
  const data = resolve('.legwork/thumbnails')
  const db = await openDatabase(`${data}/db`)
  try {
    return await withEngine(db, data, (parts) => work(paths, options, parts, interrupted))
  } finally {
    await db.close()
  }
}

/** Starts the engine, the server and the worker, and stops them when `use` is done. */
async function withEngine(db: Database, data: string, use: (parts: Parts) => Promise<number>): Promise<number> {
  const narrator = new Narrator(terminal)
  const lw = await legwork({ jobs: [uploaded, thumbnails, notify], database: db.option, use: [narrator.remember] })
  const overview = new Overview(lw, narrator.photoOf)
  const server = createAppServer(overview)
  try {
    const photos = new Photos(db)
    const blobs = new Blobs(data)
    await Promise.all([photos.createTable(), blobs.createFolders()])
    Object.assign(app, { lw, db, photos, blobs, tell: (message: string) => overview.tell(message) })

    narrator.listen(lw)
    const url = await listen(server, 4400)
    await lw.work({ concurrency: 3, stopOnSignal: false })
    terminal.line(`Legwork on the ${db.name}, status page ${url}\n`)
    return await use({ narrator, url, data })
  } finally {
    server.close()
    server.closeAllConnections()
    await lw.close({ timeout: '10s' })
  }
}

interface Parts {
  readonly narrator: Narrator
  readonly url: string
  readonly data: string
}

/** Feeds the photos and waits; then keeps the page up, unless the work was all that was asked for. */
async function work(
  paths: readonly string[],
  options: Options,
  { narrator, url, data }: Parts,
  interrupted: AbortSignal,
): Promise<number> {
  const start = performance.now()
  narrator.begin(paths.length)
  const outcomes = await feed(paths, {
    url,
    hiccup: options.hiccup,
    signal: interrupted,
    onReceipt: (file, receipt) => narrator.received(file, receipt),
    onOutcome: (file, outcome, photo) => narrator.settled(file, outcome, photo),
  })
  narrator.summary(outcomes, performance.now() - start, `${relative('.', data)}/thumbnails`)
  if (options.once) return outcomes.some(({ kind }) => kind === 'failed' || kind === 'refused') ? 1 : 0
  terminal.line(`\nStatus page ${url} – press Ctrl-C to stop`)
  if (!interrupted.aborted) await once(interrupted, 'abort')
  return 0
}

import { job } from 'legwork'
import { z } from 'zod'
import { app } from './app.ts'
import { readable, type Thumbnail, writeThumbnail } from './image.ts'

/** Enqueued by the transaction that adds the photo, so there is never the one without the other. */
export const uploaded = job('photo.uploaded', {
  input: z.object({ photo: z.string() }),
  output: z.object({ next: z.string() }),
}, async ({ input: { photo }, headers }) => {
  const { db, lw, photos } = app
  return db.transaction(async (tx) => {
    const ref = await lw.enqueue(thumbnails, { photo, widths: [160, 320, 640, 1280] }, { tx, headers, unique: photo })
    await photos.addJob(tx, photo, ref.id)
    return { next: ref.id }
  })
})

/** Writes a file per width. Running it twice gives the same files, so a retry needs no clearing up. */
export const thumbnails = job('photo.thumbnails', {
  input: z.object({ photo: z.string(), widths: z.array(z.number().int().positive()) }),
  output: z.object({ files: z.array(z.string()), bytes: z.number(), next: z.string() }),
  retry: { attempts: 5, backoff: 'exponential', first: '500ms', max: '1m' },
  timeout: '2m',
}, async ({ input: { photo, widths }, headers, attempt, progress, log, signal }) => {
  const { blobs, db, lw, photos } = app
  const original = await readable(blobs.original(photo))
  log.info(`${original.width} × ${original.height} pixels, ${original.format}`)

  const wanted = widths.filter((width, place) => place === 0 || width <= original.width)
  const files: Thumbnail[] = []
  for (const width of wanted) {
    signal.throwIfAborted()
    const file = await writeThumbnail(original, width, blobs.thumbnail(photo, width))
    files.push(file)
    await photos.setFiles(db, photo, original, files)
    log.info(`${width} px written`, { bytes: file.bytes })
    progress((files.length / wanted.length) * 100, `${width} px`)
    if (headers['simulate'] === 'hiccup' && attempt === 1) throw new Error('simulated storage hiccup')
  }

  return db.transaction(async (tx) => {
    await photos.finish(tx, photo)
    const ref = await lw.enqueue(notify, { photo, thumbnails: files.length }, { tx, headers, unique: photo })
    await photos.addJob(tx, photo, ref.id)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    return { files: files.map((file) => file.name), bytes, next: ref.id }
  })
})

/** Tells the user. Here that is a line in the terminal and on the page; it could be a mail. */
export const notify = job('photo.notify', {
  input: z.object({ photo: z.string(), thumbnails: z.number() }),
  output: z.object({ message: z.string() }),
  priority: 'high',
}, async ({ input, headers, log }) => {
  const message = `${headers['file'] ?? input.photo} is ready: ${input.thumbnails} thumbnail${input.thumbnails === 1 ? '' : 's'}`
  log.info(message)
  app.tell(message)
  return { message }
})

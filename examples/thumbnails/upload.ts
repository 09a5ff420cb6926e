import type { IncomingMessage } from 'node:http'
import { app } from './app.ts'
import { mostBytes, Refused } from './blobs.ts'
import { recordOf } from './cards.ts'
import { uploaded } from './jobs.ts'

export interface Receipt {
  readonly id: string
  readonly outcome: 'accepted' | 'under way' | 'already done'
  /** The job that began the work. */
  readonly job: string
}

/** Takes the bytes, then adds the row and the job in one transaction. The work itself is done later, by a worker. */
export async function receive(request: IncomingMessage, name: string): Promise<Receipt> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes)
    throw new Refused(413, `larger than ${mostBytes / 1024 / 1024} MB`)
  if (!request.headers['content-type']?.startsWith('image/')) throw new Refused(415, 'not an image by its content type')
  const { id, bytes } = await app.blobs.receive(request.iterator({ destroyOnReturn: false }))

  const known = await before(id)
  if (known) return known

  const simulate = request.headers['x-simulate'] === 'hiccup' && { simulate: 'hiccup' }
  const ref = await app.db.transaction(async (tx) => {
    await app.photos.add(tx, { id, name, bytes })
    const job = await app.lw.enqueue(uploaded, { photo: id }, { tx, unique: id, headers: { file: name, ...simulate } })
    await app.photos.addJob(tx, id, job.id)
    return job
  })
  return { id, outcome: 'accepted', job: ref.id }
}

/** The same photo is not done twice, unless it failed or its files have gone. */
async function before(id: string): Promise<Receipt | undefined> {
  const photo = await app.photos.find(id)
  const first = photo?.jobs[0]
  const last = photo?.jobs.at(-1)
  if (!photo || first === undefined || last === undefined) return undefined
  if (photo.done) {
    const complete = await app.blobs.has(photo.files.map((file) => file.name))
    return complete ? { id, outcome: 'already done', job: first } : undefined
  }
  const record = await recordOf(last)
  return record && !record.finishedAt ? { id, outcome: 'under way', job: first } : undefined
}

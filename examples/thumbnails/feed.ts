import { createReadStream } from 'node:fs'
import { basename, extname } from 'node:path'
import { Readable } from 'node:stream'
import { LegworkError } from 'legwork'
import { app } from './app.ts'
import { thumbnails, uploaded, notify } from './jobs.ts'
import { typeOf } from './options.ts'
import type { Receipt } from './upload.ts'

/** What became of one photo. */
export type Outcome =
  | { readonly kind: 'done'; readonly bytesIn: number; readonly bytesOut: number; readonly files: number }
  | { readonly kind: 'already done' }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string }

type Answer = Receipt | { readonly error: string }

export interface FeedOptions {
  readonly url: string
  readonly hiccup: boolean
  readonly signal: AbortSignal
  readonly onReceipt: (file: string, receipt: Receipt) => void
  readonly onOutcome: (file: string, outcome: Outcome, photo: string | undefined) => void
}

/** Of a photo that was in the folder before, under another name. */
const copy: Outcome = { kind: 'already done' }

/** Uploads one photo after the other as a browser would, and waits until every one is settled. */
export async function feed(paths: readonly string[], options: FeedOptions): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = []
  const seen = new Set<string>()
  for (const [place, path] of paths.entries()) {
    const answer = await upload(path, place === 0 && options.hiccup, options)
    const photo = 'id' in answer && !seen.has(answer.id) ? answer.id : undefined
    const copied = 'id' in answer && photo === undefined
    if (photo !== undefined) seen.add(photo)
    const outcome = (copied ? Promise.resolve(copy) : outcomeOf(answer, options.signal)).then((settled) => {
      options.onOutcome(basename(path), settled, photo)
      return settled
    })
    outcome.catch(() => undefined) // may fail before anybody waits for it, below
    outcomes.push(outcome)
  }
  return Promise.all(outcomes)
}

async function upload(path: string, hiccup: boolean, { url, signal, onReceipt }: FeedOptions): Promise<Answer> {
  const file = basename(path)
  try {
    const response = await fetch(`${url}/photos?name=${encodeURIComponent(file)}`, {
      method: 'POST',
      headers: { 'content-type': typeOf[extname(file).toLowerCase()] ?? '', ...(hiccup && { 'x-simulate': 'hiccup' }) },
      body: Readable.toWeb(createReadStream(path)),
      duplex: 'half',
      signal,
    })
    const answer = (await response.json()) as Answer
    if ('id' in answer) onReceipt(file, answer)
    return answer
  } catch (error) {
    signal.throwIfAborted()
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return { error: cause instanceof Error ? cause.message : String(cause) }
  }
}

/** Follows the jobs of a photo: the output of each names the next. */
async function outcomeOf(answer: Answer, signal: AbortSignal): Promise<Outcome> {
  if ('error' in answer) return { kind: 'refused', reason: answer.error }
  if (answer.outcome === 'already done') return { kind: 'already done' }
  try {
    const first = await app.lw.ref(answer.job, uploaded).result({ signal })
    const made = await app.lw.ref(first.next, thumbnails).result({ signal })
    await app.lw.ref(made.next, notify).result({ signal })
    const photo = await app.photos.find(answer.id)
    return { kind: 'done', bytesIn: photo?.bytes ?? 0, bytesOut: made.bytes, files: made.files.length }
  } catch (error) {
    if (!(error instanceof LegworkError) || error.code !== 'LW_JOB_DEAD') throw error
    return { kind: 'failed', reason: error.cause instanceof Error ? error.cause.message : error.message }
  }
}

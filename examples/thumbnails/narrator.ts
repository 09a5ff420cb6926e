import type { JobContext, Legwork } from 'legwork'
import type { Outcome } from './feed.ts'
import { notify, thumbnails } from './jobs.ts'
import { summary } from './summary.ts'
import { count, type Terminal, time } from './terminal.ts'
import type { Receipt } from './upload.ts'

const mostReasons = 10

/** Says in the terminal what happens: a line when a job has moved, one bar for the whole, a summary. */
export class Narrator {
  readonly #terminal: Terminal
  /** The photo of each job. */
  readonly #photos = new Map<string, { id: string; file: string }>()
  /** How far the photos are that are worked on. */
  readonly #percent = new Map<string, number>()
  /** What the user was told. */
  readonly #news = new Map<string, string>()
  readonly #settled = new Set<string>()
  readonly #reasons: string[] = []
  #total = 0
  #share = 0
  #retries = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Middleware: the events of the engine name the job, and here is where we learn which photo it is about. */
  readonly remember = (context: JobContext, next: () => Promise<unknown>): Promise<unknown> => {
    const { photo } = context.input as { photo: string }
    this.#photos.set(context.id, { id: photo, file: context.headers['file'] ?? photo })
    return next()
  }

  readonly photoOf = (job: string): string | undefined => this.#photos.get(job)?.id

  listen(lw: Legwork): void {
    lw.on('progress', ({ id, value }) => {
      this.#percent.set(this.photoOf(id) ?? id, (value as { percent: number }).percent)
      this.#draw()
    })
    lw.on('log', ({ id, name, message }) => name === notify.name && this.#news.set(id, message))
    lw.on('completed', ({ id, name, ms }) => {
      this.#move('✓', { id, name }, 'completed', time(ms), this.#news.get(id))
      if (name === notify.name) this.#end(this.photoOf(id) ?? id)
    })
    lw.on('retrying', ({ id, name, attempt, delay, error }) => {
      this.#retries++
      const tries = name === thumbnails.name ? ` of ${thumbnails.retry.attempts}` : ''
      this.#move(
        '↻',
        { id, name },
        'retrying',
        `attempt ${attempt}${tries} failed: ${error.message}; again in ${time(delay)}`,
      )
    })
    lw.on('dead', ({ id, name, error }) => this.#move('✗', { id, name }, 'dead', error.message))
    lw.on('error', ({ during, error }) => this.#terminal.line(`  ! ${during}: ${String(error)}`))
  }

  begin(total: number): void {
    this.#total = total
    this.#draw()
  }

  received(file: string, { id, job, outcome }: Receipt): void {
    this.#photos.set(job, { id, file })
    if (outcome === 'accepted') this.#move('↑', { id: job, name: 'photo.uploaded' }, 'accepted', '')
    else this.#terminal.line(`  = ${file}: ${outcome}`)
  }

  settled(file: string, outcome: Outcome, photo: string | undefined): void {
    if ('reason' in outcome) this.#reasons.push(`${file}: ${outcome.reason}`)
    if (outcome.kind === 'refused') this.#terminal.line(`  ✗ ${file}: refused, ${outcome.reason}`)
    this.#end(photo ?? file)
  }

  #end(photo: string): void {
    this.#settled.add(photo)
    this.#percent.delete(photo)
    this.#draw()
  }

  summary(outcomes: readonly Outcome[], ms: number, folder: string): void {
    const reasons = this.#reasons.slice(0, mostReasons).map((reason) => `✗ ${reason}`)
    const more = this.#reasons.length - reasons.length
    this.#terminal.clear()
    const lines = [
      ...summary(outcomes, this.#retries, ms),
      folder,
      ...reasons,
      ...(more > 0 ? [`and ${more} more`] : []),
    ]
    this.#terminal.line(`\n${lines.map((line) => `  ${line}`).join('\n')}`)
  }

  #move(glyph: string, { id, name }: { id: string; name: string }, state: string, detail: string, news?: string): void {
    const file = news ?? this.#photos.get(id)?.file ?? ''
    const columns = [glyph, id.padStart(6), name.padEnd(16), state.padEnd(9), file.padEnd(20), detail]
    this.#terminal.line(`  ${columns.join(' ').trimEnd()}`)
  }

  /** The bar never goes back, not even for a retry. */
  #draw(): void {
    if (this.#total === 0) return
    const underWay = [...this.#percent.values()].reduce((sum, percent) => sum + percent / 101, 0)
    this.#share = Math.max(this.#share, Math.min(1, (this.#settled.size + underWay) / this.#total))
    this.#terminal.progress(this.#share, `${this.#settled.size} of ${count(this.#total, 'photo')}`)
  }
}

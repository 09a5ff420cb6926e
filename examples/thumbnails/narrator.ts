import type { JobContext, Legwork } from 'legwork'
import type { Outcome } from './feed.ts'
import { notify, thumbnails } from './jobs.ts'
import { count, size, type Terminal, time } from './terminal.ts'
import type { Receipt } from './upload.ts'

/** Says in the terminal what happens: a line when a job has moved, one bar for the whole, a summary. */
export class Narrator {
  readonly #terminal: Terminal
  readonly #photos = new Map<string, { id: string; file: string }>()
  readonly #percent = new Map<string, number>()
  /** What the user was told. */
  readonly #news = new Map<string, string>()
  #total = 0
  #settled = 0
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
      this.#percent.set(id, (value as { percent: number }).percent)
      this.#draw()
    })
    lw.on('log', ({ id, name, message }) => name === notify.name && this.#news.set(id, message))
    lw.on('completed', ({ id, name, ms }) => this.#move('✓', id, name, 'completed', this.#news.get(id) ?? time(ms)))
    lw.on('retrying', ({ id, name, attempt, delay, error }) => {
      this.#retries++
      this.#percent.delete(id)
      const tries = name === thumbnails.name ? ` of ${thumbnails.retry.attempts}` : ''
      this.#move(
        '↻',
        id,
        name,
        'retrying',
        `attempt ${attempt}${tries} failed: ${error.message}; again in ${time(delay)}`,
      )
    })
    lw.on('dead', ({ id, name, error }) => this.#move('✗', id, name, 'dead', error.message))
    lw.on('error', ({ during, error }) => this.#terminal.line(`  ! ${during}: ${String(error)}`))
  }

  begin(total: number): void {
    this.#total = total
    this.#draw()
  }

  received(file: string, { outcome, job }: Receipt): void {
    if (outcome !== 'accepted') this.#terminal.line(`  = ${file}: ${outcome}`)
    else this.#move('↑', job, 'photo.uploaded', 'accepted', '', file)
  }

  settled(file: string, outcome: Outcome): void {
    this.#settled++
    if (outcome.kind === 'refused') this.#terminal.line(`  ✗ ${file}: refused, ${outcome.reason}`)
    this.#draw()
  }

  summary(outcomes: readonly Outcome[], ms: number, folder: string): void {
    const done = outcomes.filter((outcome) => outcome.kind === 'done')
    const sum = (of: 'files' | 'bytesIn' | 'bytesOut') => done.reduce((total, outcome) => total + outcome[of], 0)
    const kinds = (kind: Outcome['kind']) => outcomes.filter((outcome) => outcome.kind === kind).length
    const others = [
      kinds('already done') > 0 && `${kinds('already done')} already done`,
      kinds('failed') > 0 && `${kinds('failed')} failed`,
      kinds('refused') > 0 && `${kinds('refused')} refused`,
      this.#retries > 0 && count(this.#retries, 'retry', 'retries'),
    ].filter(Boolean)
    this.#terminal.clear()
    this.#terminal.line()
    this.#terminal.line(`  ${[`${count(done.length, 'photo')} done`, ...others].join(', ')} in ${time(ms)}`)
    if (done.length > 0)
      this.#terminal.line(
        `  ${count(sum('files'), 'thumbnail')} written: ${size(sum('bytesIn'))} in, ${size(sum('bytesOut'))} out`,
      )
    this.#terminal.line(`  ${folder}`)
  }

  #move(
    glyph: string,
    id: string,
    name: string,
    state: string,
    detail: string,
    file = this.#photos.get(id)?.file ?? '',
  ): void {
    const columns = [glyph, id.padStart(6), name.padEnd(16), state.padEnd(9), file.padEnd(20), detail]
    this.#terminal.line(`  ${columns.join(' ').trimEnd()}`)
  }

  #draw(): void {
    if (this.#total === 0) return
    const running = [...this.#percent.values()]
      .filter((percent) => percent < 100)
      .reduce((sum, percent) => sum + percent / 100, 0)
    const share = Math.min(1, (this.#settled + running) / this.#total)
    this.#terminal.progress(share, `${this.#settled} of ${count(this.#total, 'photo')}`)
  }
}

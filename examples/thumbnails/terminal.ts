import type { WriteStream } from 'node:tty'

const width = 24

/** Lines that stay, and below them one progress bar that is drawn in place; without a terminal the bar is a line now and then. */
export class Terminal {
  readonly #out: WriteStream
  readonly #colour: boolean
  #bar = ''
  #told = 0

  constructor(out: WriteStream) {
    this.#out = out
    this.#colour = out.isTTY && !process.env['NO_COLOR']
  }

  line(text = ''): void {
    this.#out.write(`${this.#erase()}${text}\n${this.#bar}`)
  }

  dim(text: string): string {
    return this.#colour ? `\x1b[2m${text}\x1b[22m` : text
  }

  /** @param share from 0 to 1 */
  progress(share: number, text: string): void {
    const percent = `${Math.floor(share * 100)} %`.padStart(5)
    if (this.#out.isTTY) {
      const full = Math.round(share * width)
      const bar = `  ${'█'.repeat(full)}${'░'.repeat(width - full)} ${percent}  ${text}`
      this.#out.write(this.#erase())
      this.#bar = bar.slice(0, (this.#out.columns || 80) - 1)
      this.#out.write(this.#bar)
    } else if (Math.floor(share * 4) > this.#told) {
      this.#told = Math.floor(share * 4)
      this.line(`  ${percent}  ${text}`)
    }
  }

  /** Takes the bar away. */
  clear(): void {
    this.#out.write(this.#erase())
    this.#bar = ''
  }

  #erase(): string {
    return this.#bar === '' ? '' : '\r\x1b[K'
  }
}

export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

export function time(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

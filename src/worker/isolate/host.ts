import { type SerializedError, show } from '../../core/errors.ts'
import { type FromIsolated, openEnvelope, type ToIsolated } from './protocol.ts'

/** How a thread or process ended. */
export interface HostEnd {
  /** e.g. `exited with code 1` */
  readonly how: string
  /** It went over its memory cap. */
  readonly memory: boolean
  /** What it died of, when it could say so. */
  readonly error: SerializedError | undefined
}

/** Who hears of the current run; nobody between runs. */
export interface HostListener {
  message(message: FromIsolated): void
  ended(end: HostEnd): void
}

/** A thread or process that runs one handler after the other. */
export abstract class Host {
  abstract readonly what: 'thread' | 'process'
  readonly key: string
  /** Resolves when it is gone and every message it sent has been delivered; never rejects. */
  readonly ended: Promise<HostEnd>
  #resolve!: (end: HostEnd) => void
  #listener: HostListener | undefined
  #end: HostEnd | undefined
  #killed = false

  constructor(key: string) {
    this.key = key
    this.ended = new Promise((resolve) => (this.#resolve = resolve))
  }

  /** Whether this side ended it. */
  get killed(): boolean {
    return this.#killed
  }

  /** Replaces the listener; a host that ended unheard says so at once. */
  listen(listener: HostListener | undefined): void {
    this.#listener = listener
    if (this.#end) listener?.ended(this.#end)
  }

  /** Ends it without asking. Safe to call twice. */
  kill(): void {
    this.#killed = true
    if (!this.#end) this.terminate()
  }

  abstract send(message: ToIsolated): void
  /** Whether it keeps this process alive. */
  abstract hold(busy: boolean): void
  protected abstract terminate(): void

  protected deliver(message: unknown): void {
    const opened = openEnvelope(message)
    if (opened) this.#listener?.message(opened)
  }

  protected finish(end: HostEnd): void {
    this.#end = end
    this.#listener?.ended(end)
    this.#resolve(end)
  }
}

/** An error as such, whatever was thrown. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(show(thrown))
}

export interface Watcher {
  stopped(reason: Error): void
}

/**
 * The reason a job must stop, once there is one. Makes the AbortSignal only when somebody asks for it: most handlers
 * never do, and for short jobs it would cost more than the job.
 */
export class Stop {
  #controller: AbortController | undefined
  #reason: Error | undefined
  #watcher: Watcher | undefined

  get reason(): Error | undefined {
    return this.#reason
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** The first reason stays. */
  abort(reason: Error): void {
    if (this.#reason) return
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#watcher?.stopped(reason)
  }

  /** Tells `watcher` when the job must stop, also when that has happened already; one at a time, undefined for none. */
  watch(watcher: Watcher | undefined): void {
    this.#watcher = watcher
    if (this.#reason) watcher?.stopped(this.#reason)
  }
}

/** Whoever waits for the next move of something is told of it, once. */
export class Moves {
  #waiting: (() => void)[] = []

  /** Resolves with the next move. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  moved(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

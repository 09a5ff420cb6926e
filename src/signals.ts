const signals = ['SIGTERM', 'SIGINT'] as const

/** npm and shells pass one Ctrl-C on twice; what comes sooner after the first is the same wish. */
const echo = 1_000

/**
 * Calls `close` on the first SIGTERM or SIGINT and then lets the signal have its usual effect, unless the application
 * has handlers of its own for it. A second one, not an echo of the first, does not wait for `close`.
 * Returns how to stop listening.
 */
export function stopOnSignals(close: () => Promise<void>): () => void {
  let first: number | undefined
  const forget = () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  const end = (signal: NodeJS.Signals) => {
    forget()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    if (first !== undefined) {
      if (performance.now() - first > echo) end(signal)
      return
    }
    first = performance.now()
    void close()
      .catch(() => undefined) // reported by the engine; the process must still end
      .finally(() => end(signal))
  }
  for (const signal of signals) process.on(signal, onSignal)
  return forget
}

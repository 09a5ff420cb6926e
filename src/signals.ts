const signals = ['SIGTERM', 'SIGINT'] as const

/**
 * Calls `close` on the first SIGTERM or SIGINT and then lets the signal have its usual effect, unless the application
 * has handlers of its own for it. Returns how to stop listening.
 */
export function stopOnSignals(close: () => Promise<void>): () => void {
  const forget = () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    forget()
    const others = process.listenerCount(signal) > 0
    void close()
      .catch(() => undefined) // reported by the engine; the process must still end
      .finally(() => {
        if (!others) process.kill(process.pid, signal)
      })
  }
  for (const signal of signals) process.on(signal, onSignal)
  return forget
}

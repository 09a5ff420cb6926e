import { launchOf } from './launch.ts'
import { HostPool } from './pool.ts'
import type { IsolatedCall, IsolatedOutcome } from './protocol.ts'
import { neverStarted, runOn } from './run.ts'

export type { IsolatedCall, IsolatedLog, IsolatedOutcome } from './protocol.ts'

/** Runs handlers in threads and processes of their own. */
export interface Isolation {
  /** Resolves with the handler's own outcome, or with how it was ended; rejects only when the engine itself failed. */
  run(call: IsolatedCall): Promise<IsolatedOutcome>
  /** Ends every thread and process, within five seconds. Safe to call twice. */
  close(): Promise<void>
}

export interface IsolationOptions {
  readonly maxThreads: number
  readonly maxProcesses: number
  /** Milliseconds a thread or process waits for its next run before it ends. Default 30 s. */
  readonly idleTimeout?: number
}

/**
 * Threads and processes are started when first needed, run one handler at a time and are used again for the next:
 * state a module keeps outlives a run. A process keeps a crash, an endless loop and native code apart from the
 * others; neither is a sandbox, as both see the files and the environment of this process.
 */
export function createIsolation({ maxThreads, maxProcesses, idleTimeout = 30_000 }: IsolationOptions): Isolation {
  const pools = { thread: new HostPool(maxThreads, idleTimeout), process: new HostPool(maxProcesses, idleTimeout) }
  return {
    run: (call) => run(pools[call.mode], call),
    close: async () => {
      await Promise.all([pools.thread.close(), pools.process.close()])
    },
  }
}

async function run(pool: HostPool, call: IsolatedCall): Promise<IsolatedOutcome> {
  if (call.signal.aborted) return neverStarted(call)
  let reusable = false
  const host = await pool.acquire(launchOf(call), call.signal)
  if (!host) return neverStarted(call)
  try {
    const result = await runOn(host, call)
    reusable = result.reusable
    return result.outcome
  } finally {
    pool.release(host, reusable)
  }
}

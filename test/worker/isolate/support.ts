import { readFileSync } from 'node:fs'
import { afterEach } from 'vitest'
import {
  createIsolation,
  type IsolatedCall,
  type IsolatedLog,
  type Isolation,
  type IsolationOptions,
} from '../../../src/worker/isolate/isolation.ts'

export const jobsModule: string = new URL('./jobs.ts', import.meta.url).href

export const modes = ['thread', 'process'] as const

const open: Isolation[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((isolation) => isolation.close()))
})

/** An isolation that is closed after the test. */
export function isolated(options: Partial<IsolationOptions> = {}): Isolation {
  const isolation = createIsolation({ maxThreads: 1, maxProcesses: 1, ...options })
  open.push(isolation)
  return isolation
}

/** A call of a job of jobs.ts. */
export function callOf(mode: 'thread' | 'process', job: string, rest: Partial<IsolatedCall> = {}): IsolatedCall {
  const quiet = { onProgress: () => {}, onLog: () => {} }
  return {
    mode,
    module: jobsModule,
    job,
    input: null,
    facts: {},
    context: { lock: noEngine, slowDown: noEngine, schedule: undefined },
    signal: new AbortController().signal,
    killAfter: 60_000,
    ...quiet,
    ...rest,
  }
}

function noEngine(): Promise<never> {
  return Promise.reject(new Error('There is no engine beside these calls.'))
}

export interface Listening {
  readonly progress: unknown[]
  readonly log: IsolatedLog[]
  /** Progress and log in the order they came. */
  readonly all: unknown[]
  readonly first: Promise<unknown>
  readonly handlers: Pick<IsolatedCall, 'onProgress' | 'onLog'>
}

/** Collects what a handler says; `first` resolves with the first progress. */
export function listening(): Listening {
  const progress: unknown[] = []
  const log: IsolatedLog[] = []
  const all: unknown[] = []
  let heard: (value: unknown) => void = () => {}
  const first = new Promise<unknown>((resolve) => (heard = resolve))
  const onProgress = (value: unknown): void => {
    heard(value)
    all.push(value)
    progress.push(value)
  }
  const onLog = (entry: IsolatedLog): void => {
    all.push(entry.message)
    log.push(entry)
  }
  return { progress, log, all, first, handlers: { onProgress, onLog } }
}

/** Whether a process runs. One that has ended stays listed until its parent (for orphans: init) takes note. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

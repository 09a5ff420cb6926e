/** An empty place that belongs to one run alone. */
export interface Place {
  /** The address of a fresh database, of Redis, or a folder for PGlite. */
  readonly url: string
  /** What separates this run from others where `url` does not. */
  readonly namespace: string
}

export interface Job {
  readonly n: number
  /** Jobs with the same key run one at a time. */
  readonly key?: string
  /** Milliseconds. */
  readonly delay?: number
  readonly low?: true
  /** Only so many of these run at once, over all processes. */
  readonly limit?: 10 | 1_000
  /** Its handler makes a call of 2 ms: for it alone, or for up to so many. */
  readonly together?: 1 | 100
}

/** What a worker tells: a handler was called, and how many results have just become durable (as the peer defines it). */
export interface Ears {
  started(n: number): void
  settled(count: number): void
}

export interface SessionOptions {
  /** How many handlers may run at once in this process, for peers whose best setting leaves it open. */
  readonly concurrency: number
}

/** A connection of one process to its place. `open` has created tables and connected, so that neither is timed. */
export interface Session {
  add(job: Job): Promise<unknown>
  /** One call, all jobs. */
  addMany(jobs: readonly Job[]): Promise<unknown>
  /** Starts to run jobs in this process, with a handler that does nothing. */
  work(ears: Ears): Promise<void>
  /** Runs so many durable jobs of so many steps that do nothing, `atOnce` at a time; resolves when all have ended. */
  readonly runSteps?: (work: { runs: number; steps: number; atOnce: number }) => Promise<void>
  /** Durable jobs that sleep until an instant: `park` resolves when all do, `awake` when all have ended. */
  readonly sleepers?: { park(count: number, until: Date): Promise<void>; awake(): Promise<void> }
  close(): Promise<void>
  /** What screens and callers ask for, where a scenario times it. */
  readonly questions?: Readonly<Record<'status' | 'newest' | 'ofName' | 'counts', (id: string) => Promise<unknown>>>
}

export type Feature = 'keys' | 'priority' | 'delay' | 'limits' | 'batches'

export interface Peer {
  readonly name: string
  readonly store: 'postgres' | 'redis' | 'pglite'
  /** Packages it needs; their versions go into the report. */
  readonly packages: readonly string[]
  /** What is not default, and where its documentation recommends it. */
  readonly settings: string
  readonly features: readonly Feature[]
  /** The one scenario it takes part in, if it is no queue. */
  readonly only?: string
  open(place: Place, options: SessionOptions): Promise<Session>
}

/** The same small input everywhere. */
export function inputOf(job: Job): { n: number; to: string } {
  return { n: job.n, to: 'user@example.com' }
}

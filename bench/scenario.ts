import type { Peer, Place, Session } from './peer.ts'

export interface Sizes {
  /** Jobs of a drain and of what is compared with it. */
  readonly jobs: number
  /** Jobs that wait beside it in `backlog`: so many of low priority, and so many delayed. */
  readonly backlog: number
  /** Longest time one measurement may take; what was done until then counts. */
  readonly seconds: number
  readonly concurrency: number
}

export interface MetricInfo {
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
}

/** One run of a case with one peer, in a process of its own and a place of its own. */
export interface Run {
  readonly peer: Peer
  readonly place: Place
  readonly sizes: Sizes
  open(): Promise<Session>
  /** Vacuums and checkpoints before a load, so that neither comes in the middle of what is measured. */
  calm(): Promise<void>
  /** Gives the planner its statistics after a load: a peer must not suffer from a table it could not know. */
  analyze(): Promise<void>
  /** Starts another process that has opened a session of the same peer and waits for `start`. */
  spawnWorker(): Promise<RemoteWorker>
  meter(): Promise<Meter>
  /** A query to the database of this run, for peers that are on PostgreSQL. */
  query<Row extends Record<string, unknown>>(sql: string, params?: unknown[]): Promise<Row[]>
}

export interface RemoteWorker {
  /** Time of the handler's start per job, on the clock of `now()`. */
  onStarted: (n: number, at: number) => void
  /** Jobs settled so far. */
  onSettled: (total: number) => void
  /** Rejects when the process ends by itself. */
  readonly failed: Promise<never>
  /** Begins to work; resolves when it does. */
  start(): Promise<void>
  /** Ends it and tells how often each of its statements was sent and what it used. */
  stop(): Promise<{ started: number; statements: Record<string, number>; cpu: number }>
}

/** What was used between `meter()` and `stop()`. What cannot be known here is undefined. */
export interface Meter {
  stop(): Promise<Usage>
}

export interface Usage {
  readonly seconds: number
  /** CPU seconds of this process. */
  readonly nodeCpu: number
  /** CPU seconds of the server's processes. */
  readonly serverCpu: number | undefined
  readonly walBytes: number | undefined
}

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly metrics: Readonly<Record<string, MetricInfo>>
  /** Each is run with each peer in turn, on a fresh database. */
  readonly cases: Readonly<Record<string, (run: Run) => Promise<Record<string, number>>>>
  /** Why a peer has no part in a case. */
  unfit?(peer: Peer, name: string): string | undefined
  /** Only these take part, beside one another: the embedded databases are no peers of the servers. */
  readonly peers?: readonly string[]
}

/** A clock that all processes of this machine share, in milliseconds. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

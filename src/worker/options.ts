import type { Retention } from '../store/queries/upkeep.ts'
import type { QueueShare } from './directory.ts'
import type { Middleware } from './executor.ts'
import type { Kept } from './reserve.ts'

/** What `work` was given, checked; durations in milliseconds. */
export interface WorkerOptions {
  readonly concurrency: number
  /** Queues to serve with what holds for them here; undefined for all queues. */
  readonly queues: ReadonlyMap<string, QueueShare> | undefined
  /** Places that are kept for urgent jobs. */
  readonly reserve: readonly Kept[]
  /** Milliseconds after which a waiting job goes up one class; undefined for never. */
  readonly aging: number | undefined
  readonly labels: readonly string[]
  readonly lease: number
  readonly poll: number
  readonly grace: number
  readonly retention: Retention
  readonly middleware: readonly Middleware[]
  readonly version: string
}

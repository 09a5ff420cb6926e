import type { JobContext, LogLevel, SlowDown } from '../../core/context.ts'
import type { SerializedError } from '../../core/errors.ts'
import type { Control } from '../../core/outcome.ts'
import type { CarriedError } from './carried.ts'

/** What the handler's context shows about the job, as JSON; ISO text under a name ending in `At` becomes a Date. */
export type IsolatedFacts = Readonly<Record<string, unknown>>

/** One line a handler logged. */
export interface IsolatedLog {
  readonly level: LogLevel
  readonly message: string
  readonly data?: unknown
}

/** What of a handler's context an isolated one may use by asking for it. */
export type Reachable = Pick<JobContext, 'lock' | 'slowDown' | 'schedule'>

/** One attempt to run in a thread or process of its own. */
export interface IsolatedCall {
  readonly mode: 'thread' | 'process'
  /** File URL of the module that exports the definition. */
  readonly module: string
  /** Name of the definition. */
  readonly job: string
  /** The input in its stored form; it is parsed with the definition's schema on the other side. */
  readonly input: unknown
  readonly facts: IsolatedFacts
  /** What the handler may use from its side. */
  readonly context: Reachable
  /**
   * Cap of the JavaScript heap in bytes. Buffers live outside of the heap and are not counted.
   * In a thread it stops a heap that grows step by step. One allocation far beyond the cap (a huge list, or
   * JSON.parse of a huge text) makes V8 abort the whole process: only `process` keeps that away from the others.
   */
  readonly memory?: number
  /** Aborting it aborts the handler's own signal, and ends its thread or process `killAfter` later. */
  readonly signal: AbortSignal
  /** Milliseconds between the abort and the end of the thread or process. */
  readonly killAfter: number
  readonly onProgress: (value: unknown) => void
  readonly onLog: (entry: IsolatedLog) => void
}

/** Why a run ended without an outcome of its handler. */
export type KillReason = 'timeout-or-cancel' | 'memory' | 'crash'

/** How the handler ended, or how it was ended. */
export type IsolatedOutcome =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: SerializedError }
  | { readonly ok: false; readonly control: Control }
  | { readonly ok: false; readonly killed: KillReason; readonly error: SerializedError }

/** What the isolated side needs for one run. */
export interface RunMessage {
  readonly type: 'run'
  readonly module: string
  readonly job: string
  readonly input: unknown
  readonly facts: IsolatedFacts
}

/** Messages to the isolated side. A thread or process runs one handler at a time, so only answers carry an id. */
export type ToIsolated = RunMessage | { readonly type: 'abort'; readonly reason: CarriedError } | Answer

/** What becomes of a request. A lock is answered when it has been freed, with an error if it was lost before. */
export type Answer =
  /** JSON text, null for nothing. */
  | { readonly type: 'answer'; readonly id: number; readonly value: string | null }
  | { readonly type: 'refusal'; readonly id: number; readonly error: CarriedError }
  /** The lock is held now: its work may begin. */
  | { readonly type: 'locked'; readonly id: number; readonly token: string }
  /** The work under the lock must stop. */
  | { readonly type: 'lock-over'; readonly id: number; readonly reason: CarriedError }

/** What a handler asks of the engine. */
export type Request =
  | LockRequest
  /** The signal that was given with the lock has aborted. */
  | { readonly type: 'leave'; readonly id: number; readonly reason: CarriedError }
  /** The work under the lock has ended. */
  | { readonly type: 'unlock'; readonly id: number }
  | { readonly type: 'slow-down'; readonly id: number; readonly wish: SlowDownWish }
  | { readonly type: 'last-success'; readonly id: number }

/** Durations in milliseconds; without a timeout it waits for as long as it takes. */
export interface LockRequest {
  readonly type: 'lock'
  readonly id: number
  readonly name: string
  readonly lease: number
  readonly timeout: number | null
}

/** Like the one of a handler, with the instant as ISO text. */
export interface SlowDownWish extends Omit<SlowDown, 'until'> {
  readonly until?: string
}

/** How a handler ended, in the form that crosses: the output is JSON text, null for none. */
export type Ending =
  | { readonly type: 'returned'; readonly output: string | null }
  | { readonly type: 'threw'; readonly error: SerializedError }
  | { readonly type: 'control'; readonly control: Control }

/** Messages from the isolated side, in the order they were sent. */
export type FromIsolated =
  | { readonly type: 'progress'; readonly value: string | null }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string; readonly data: string | null }
  | Request
  /** An error nobody caught; the process is about to die of it. */
  | { readonly type: 'fatal'; readonly error: SerializedError }
  /** `heap` is what the JavaScript heap holds afterwards, in bytes. */
  | { readonly type: 'done'; readonly ending: Ending; readonly heap: number }

/** Handlers may use the same channel for messages of their own; these carry a mark. */
export interface Envelope {
  readonly legwork: FromIsolated
}

/** The message inside an envelope, or undefined for a message that is not ours. */
export function openEnvelope(message: unknown): FromIsolated | undefined {
  return typeof message === 'object' && message !== null && 'legwork' in message
    ? (message as Envelope).legwork
    : undefined
}

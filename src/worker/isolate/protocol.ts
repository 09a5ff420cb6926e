import type { LogLevel } from '../../core/context.ts'
import type { SerializedError } from '../../core/errors.ts'
import type { Control } from '../../core/outcome.ts'

/** What the handler's context shows about the job, as JSON; ISO text under a name ending in `At` becomes a Date. */
export type IsolatedFacts = Readonly<Record<string, unknown>>

/** One line a handler logged. */
export interface IsolatedLog {
  readonly level: LogLevel
  readonly message: string
  readonly data?: unknown
}

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

/** Messages to the isolated side. A thread or process runs one handler at a time, so none carries an id. */
export type ToIsolated = RunMessage | { readonly type: 'abort'; readonly reason: SerializedError }

/** How a handler ended, in the form that crosses: the output is JSON text, null for none. */
export type Ending =
  | { readonly type: 'returned'; readonly output: string | null }
  | { readonly type: 'threw'; readonly error: SerializedError }
  | { readonly type: 'control'; readonly control: Control }

/** Messages from the isolated side, in the order they were sent. */
export type FromIsolated =
  | { readonly type: 'progress'; readonly value: string | null }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string; readonly data: string | null }
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

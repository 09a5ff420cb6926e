import { LegworkError, type SerializedError, serializeError, show } from '../../core/errors.ts'
import { carry } from './carried.ts'
import { asError, type Host, type HostEnd } from './host.ts'
import type { Ending, FromIsolated, IsolatedCall, IsolatedOutcome } from './protocol.ts'
import { Requests } from './requests.ts'

/** How long a killed thread or process may take to be gone before its run is given up. */
const slack = 1_000

/** The outcome of a run, and whether its host may run another handler. */
export interface RunResult {
  readonly outcome: IsolatedOutcome
  readonly reusable: boolean
}

/** Runs one handler on a free host. Once the signal aborts it settles within `killAfter` and a little slack. */
export function runOn(host: Host, call: IsolatedCall): Promise<RunResult> {
  const timers: NodeJS.Timeout[] = []
  const later = (ms: number, action: () => void): void => void timers.push(setTimeout(action, ms))
  const requests = new Requests(call.context, (answer) => host.send(answer))
  let onAbort: (() => void) | undefined
  const run = new Promise<RunResult>((resolve, reject) => {
    const ended = (outcome: IsolatedOutcome): void => resolve({ outcome, reusable: false })
    onAbort = () => {
      host.send({ type: 'abort', reason: carry(call.signal.reason) })
      later(call.killAfter, () => {
        host.kill()
        later(slack, () => ended(stopped(host, call)))
      })
    }
    host.listen({
      message: (message) => {
        try {
          const result = receive(message, call, requests)
          if (result) resolve(result)
        } catch (error) {
          reject(asError(error))
        }
      },
      ended: (end) => ended(host.killed ? stopped(host, call) : died(host, call, end)),
    })
    call.signal.addEventListener('abort', onAbort, { once: true })
    host.send({ type: 'run', module: call.module, job: call.job, input: call.input, facts: call.facts })
    if (call.signal.aborted) onAbort()
  })
  return run.finally(() => {
    for (const timer of timers) clearTimeout(timer)
    if (onAbort) call.signal.removeEventListener('abort', onAbort)
    host.listen(undefined)
    requests.close()
  })
}

/** The outcome of a run whose signal aborted before it got a thread or process. */
export function neverStarted(call: IsolatedCall): IsolatedOutcome {
  return {
    ok: false,
    killed: 'timeout-or-cancel',
    error: withReason(`The handler of job "${call.job}" was not started`, call),
  }
}

function receive(message: FromIsolated, call: IsolatedCall, requests: Requests): RunResult | undefined {
  switch (message.type) {
    case 'progress':
      call.onProgress(parse(message.value))
      return undefined
    case 'log': {
      const data = message.data === null ? {} : { data: parse(message.data) }
      call.onLog({ level: message.level, message: message.message, ...data })
      return undefined
    }
    case 'done':
      return { outcome: outcomeOf(message.ending), reusable: requests.open === 0 && isReusable(message, call) }
    case 'fatal':
      return undefined
    default:
      requests.receive(message)
      return undefined
  }
}

/**
 * A handler that was told to stop, or that has asked for something it did not wait for, may have left work behind; a failed import is remembered by Node for ever,
 * and a heap that is half full would make the next run pay for this one.
 */
function isReusable({ ending, heap }: Extract<FromIsolated, { type: 'done' }>, call: IsolatedCall): boolean {
  if (call.signal.aborted || (call.memory !== undefined && heap > call.memory / 2)) return false
  return ending.type !== 'threw' || ending.error.code !== 'LW_ISOLATE_MODULE'
}

function outcomeOf(ending: Ending): IsolatedOutcome {
  switch (ending.type) {
    case 'returned':
      return { ok: true, output: parse(ending.output) }
    case 'threw':
      return { ok: false, error: ending.error }
    case 'control':
      return { ok: false, control: ending.control }
  }
}

function stopped(host: Host, call: IsolatedCall): IsolatedOutcome {
  const text = call.signal.aborted
    ? `The handler of job "${call.job}" did not stop within ${call.killAfter} ms, so its ${host.what} was ended`
    : `The ${host.what} of job "${call.job}" was ended because the engine closed`
  return { ok: false, killed: 'timeout-or-cancel', error: withReason(text, call) }
}

function withReason(text: string, call: IsolatedCall): SerializedError {
  const { reason } = call.signal as { reason: unknown }
  if (!call.signal.aborted) return serializeError(new LegworkError('LW_SHUTDOWN', `${text}.`))
  const code = reason instanceof LegworkError ? reason.code : isTimeout(reason) ? 'LW_JOB_TIMEOUT' : 'LW_JOB_CANCELLED'
  const because = reason instanceof Error ? reason.message : show(reason)
  return serializeError(new LegworkError(code, `${text}. Reason: ${because}`, { cause: reason }))
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError'
}

function died(host: Host, call: IsolatedCall, end: HostEnd): IsolatedOutcome {
  if (end.memory) return { ok: false, killed: 'memory', error: serializeError(outOfMemory(host, call)) }
  const error = new LegworkError(
    'LW_ISOLATE_CRASHED',
    `The ${host.what} of job "${call.job}" ${end.how} before its handler ended.`,
    {
      hint: 'A handler must not end its process, and what it throws must reach the promise it returns.',
    },
  )
  return { ok: false, killed: 'crash', error: { ...serializeError(error), ...(end.error && { cause: end.error }) } }
}

function outOfMemory(host: Host, call: IsolatedCall): LegworkError {
  const cap = call.memory === undefined ? "Node's default" : `${Math.ceil(call.memory / 2 ** 20)} MB`
  return new LegworkError(
    'LW_ISOLATE_MEMORY',
    `The handler of job "${call.job}" needed more heap than its ${host.what} may use (${cap}).`,
    {
      hint: 'Raise the option memory, or work on smaller pieces.',
      details: { memory: call.memory },
    },
  )
}

function parse(json: string | null): unknown {
  return json === null ? undefined : JSON.parse(json)
}

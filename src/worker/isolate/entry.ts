// What a thread or process runs: it waits for a run, imports the module, calls the handler and reports how it ended.

import { getHeapStatistics } from 'node:v8'
import { parentPort } from 'node:worker_threads'
import { decode, toJson } from '../../core/codec.ts'
import { type SerializedError, serializeError } from '../../core/errors.ts'
import { controlOf } from '../../core/outcome.ts'
import { retryAfterOf } from '../../core/retry.ts'
import { arrived } from './carried.ts'
import { isolatedContext } from './context.ts'
import { loadDefinition } from './definition.ts'
import { guardProcess } from './guard.ts'
import { Link } from './link.ts'
import type { Ending, Envelope, FromIsolated, RunMessage, ToIsolated } from './protocol.ts'

interface Run {
  readonly controller: AbortController
  readonly link: Link
  /** A handler that goes on after it returned must not be heard as if it were the next one. */
  readonly heard: (event: FromIsolated) => void
}

let current: Run | undefined

if (parentPort) {
  parentPort.on('message', receive)
} else {
  guardProcess()
  process.on('message', receive)
  process.on('uncaughtExceptionMonitor', (error) => send({ type: 'fatal', error: serializeError(error) }))
}

function receive(message: ToIsolated): void {
  if (message.type === 'abort') current?.controller.abort(arrived(message.reason))
  else if (message.type === 'run') void run(message)
  else current?.link.receive(message)
}

async function run(message: RunMessage): Promise<void> {
  const controller = new AbortController()
  const heard = (event: FromIsolated): void => void (current === own && send(event))
  const own: Run = { controller, heard, link: new Link(heard, controller.signal) }
  current = own
  const ending = await attempt(message, own)
  if (current === own) current = undefined
  send({ type: 'done', ending, heap: getHeapStatistics().used_heap_size })
}

async function attempt({ module, job, input, facts }: RunMessage, own: Run): Promise<Ending> {
  try {
    const definition = await loadDefinition(module, job)
    const subject = { code: 'LW_INPUT_INVALID', label: `Input of job "${job}"` } as const
    const parsed = await decode(definition.inputSchema, input, subject)
    const { controller, link, heard } = own
    const context = isolatedContext({ job, input: parsed, facts, signal: controller.signal, send: heard, link })
    const output = await definition.handler(context)
    return { type: 'returned', output: toJson(output, `Output of job "${job}"`) }
  } catch (error) {
    const control = controlOf(error)
    return control ? { type: 'control', control } : { type: 'threw', error: thrown(error) }
  }
}

/** What an error asks for has to be read here: only plain data crosses. */
function thrown(error: unknown): SerializedError {
  const retryAfter = retryAfterOf(error, Date.now())
  return { ...serializeError(error), ...(retryAfter !== undefined && { retryAfter }) }
}

function send(message: FromIsolated): void {
  const envelope: Envelope = { legwork: message }
  if (parentPort) parentPort.postMessage(envelope)
  else process.send?.(envelope)
}

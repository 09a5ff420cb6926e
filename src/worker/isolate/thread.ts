import { Worker } from 'node:worker_threads'
import { serializeError } from '../../core/errors.ts'
import { Host, type HostEnd } from './host.ts'
import { entryUrl, type Launch, threadLoader } from './launch.ts'
import type { ToIsolated } from './protocol.ts'

// A loader has to be registered before the entry is loaded, as the entry may itself be TypeScript.
const loadThenEnter = `
const { loader, entry } = require('node:worker_threads').workerData
import(loader).then(({ register }) => { register(); return import(entry) })`

/** A worker thread. What it prints goes to the streams of this process. */
export class ThreadHost extends Host {
  readonly what = 'thread'
  readonly #worker: Worker

  constructor(launch: Launch) {
    super(launch.key)
    this.#worker = startWorker(launch)
    let last: unknown
    this.#worker.on('message', (message: unknown) => this.deliver(message))
    this.#worker.on('error', (error) => (last = error))
    this.#worker.once('exit', (code) => this.finish(endOf(code, last)))
  }

  send(message: ToIsolated): void {
    this.#worker.postMessage(message)
  }

  hold(busy: boolean): void {
    if (busy) this.#worker.ref()
    else this.#worker.unref()
  }

  protected terminate(): void {
    void this.#worker.terminate()
  }
}

function startWorker(launch: Launch): Worker {
  const limits = launch.memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: launch.memoryMb } }
  const loader = threadLoader(launch)
  if (loader === undefined) return new Worker(entryUrl, limits)
  return new Worker(loadThenEnter, { ...limits, eval: true, workerData: { loader, entry: entryUrl.href } })
}

function endOf(code: number, error: unknown): HostEnd {
  const memory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  const cause = error === undefined || memory ? undefined : serializeError(error)
  return { how: `exited with code ${code}`, memory, error: cause }
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startMeter, type Watched } from './meter.ts'
import type { Peer, Place } from './peer.ts'
import { peers } from './peers/index.ts'
import { Progress } from './progress.ts'
import { now, type RemoteWorker, type Run, type Sizes } from './scenario.ts'
import { scenarios } from './scenarios/index.ts'
import { countStatements } from './statements.ts'

/** What a child process is asked to do. */
export interface Task {
  readonly role: 'run' | 'worker'
  readonly scenario: string
  readonly case: string
  readonly peer: string
  readonly place: Place
  readonly watched: Watched
  readonly sizes: Sizes
}

export type Answer = { readonly found: Record<string, number> } | { readonly failed: string }

type WorkerMessage =
  | { readonly opened: true }
  | { readonly working: true }
  | { readonly started: [number, number][] }
  | { readonly settled: number }
  | { readonly end: Awaited<ReturnType<RemoteWorker['stop']>> }

// Whoever started this has ended, by itself or not: nobody waits for an answer any more.
process.once('disconnect', () => process.exit())

process.once('message', (task: Task) => {
  const peer = peers.get(task.peer)
  if (!peer) throw new Error(`No peer named ${task.peer}.`)
  const done = task.role === 'run' ? answer(task, peer) : work(task, peer)
  done
    .catch((error: unknown) =>
      send({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
    // Whatever a peer has left open must not keep the benchmark waiting.
    .finally(() => process.exit())
})

async function answer(task: Task, peer: Peer): Promise<void> {
  const body = scenarios.get(task.scenario)?.cases[task.case]
  if (!body) throw new Error(`No case ${task.case} in scenario ${task.scenario}.`)
  await send({ found: await body(runOf(task, peer)) })
}

function send(message: Answer | WorkerMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!process.send) throw new Error('This file is run by fork().')
    process.send(message, undefined, undefined, (error) => (error ? reject(error) : resolve()))
  })
}

function runOf(task: Task, peer: Peer): Run {
  const { place, sizes, watched } = task
  const query = async <Row extends Record<string, unknown>>(sql: string, params: unknown[] = []) => {
    const client = new pg.Client(place.url)
    await client.connect()
    try {
      return (await client.query<Row>(sql, params)).rows
    } finally {
      await client.end()
    }
  }
  return {
    peer,
    place,
    sizes,
    query,
    open: () => peer.open(place, sizes),
    async calm() {
      if (peer.store !== 'postgres') return
      await query('vacuum')
      // Only superusers may; without it the next checkpoint comes when it comes.
      await query('checkpoint').catch(() => undefined)
    },
    async analyze() {
      if (peer.store === 'postgres') await query('analyze')
    },
    spawnWorker: () => spawnWorker(task),
    meter: () => startMeter(watched),
  }
}

async function spawnWorker(task: Task): Promise<RemoteWorker> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv })
  const ended = once(child, 'exit')
  let end: Awaited<ReturnType<RemoteWorker['stop']>> = { started: 0, statements: {}, cpu: 0 }
  let fail: (error: Error) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => undefined)
  child.once('exit', (code) => fail(new Error(`The worker process ended with code ${code}.`)))
  const heard = { opened: signal(), working: signal() }
  const worker: RemoteWorker = {
    failed,
    onStarted: () => undefined,
    onSettled: () => undefined,
    async start() {
      child.send('start')
      await Promise.race([heard.working.promise, failed])
    },
    async stop() {
      if (child.connected) child.send('stop')
      await ended
      return end
    },
  }
  child.on('message', (message: WorkerMessage | { failed: string }) => {
    if ('opened' in message) heard.opened.resolve()
    else if ('working' in message) heard.working.resolve()
    else if ('started' in message) for (const [n, at] of message.started) worker.onStarted(n, at)
    else if ('settled' in message) worker.onSettled(message.settled)
    else if ('end' in message) end = message.end
    else fail(new Error(message.failed))
  })
  child.send({ ...task, role: 'worker' })
  await Promise.race([heard.opened.promise, failed])
  return worker
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** The other end of `spawnWorker`. Tells what has happened every few milliseconds, and at once when it is a lone job. */
async function work(task: Task, peer: Peer): Promise<void> {
  const stopped = new Promise<void>((resolve) =>
    process.on('message', (message) => (message === 'stop' ? resolve() : undefined)),
  )
  const asked = new Promise<void>((resolve) =>
    process.on('message', (message) => (message === 'start' ? resolve() : undefined)),
  )
  const session = await peer.open(task.place, task.sizes)
  const statements = countStatements()
  const progress = new Progress()
  let started: [number, number][] = []
  let told = 0
  const tell = () => {
    // Nobody asks for the times of a crowd.
    if (started.length > 0 && started.length < 100) void send({ started })
    started = []
    if (progress.settledCount > told) void send({ settled: (told = progress.settledCount) })
  }
  progress.onStarted = (n) => started.push([n, now()])
  await send({ opened: true })
  await Promise.race([asked, stopped])
  const timer = setInterval(tell, 5)
  await session.work(progress)
  await send({ working: true })
  await stopped
  clearInterval(timer)
  tell()
  const { user, system } = process.cpuUsage()
  await session.close()
  await send({ end: { started: progress.startedCount, statements: { ...statements }, cpu: (user + system) / 1e6 } })
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Contract, Legwork } from 'legwork'
import { repeat } from '../load.ts'
import { inputOf, type Job, type Peer, type Session } from '../peer.ts'

/** The built package, through its public API. */
export const peer: Peer = {
  name: 'legwork',
  store: 'postgres',
  packages: ['legwork', 'pg'],
  settings: 'concurrency as given',
  features: ['keys', 'priority', 'delay', 'limits', 'batches'],
  open: (place, { concurrency }) => open(place.url, concurrency),
}

/** The same on the embedded database. */
export const embedded: Peer = {
  ...peer,
  name: 'legwork-pglite',
  store: 'pglite',
  packages: ['legwork', '@electric-sql/pglite'],
}

async function open(database: string, concurrency: number): Promise<Session> {
  const { batch, job, legwork } = await import('legwork')
  let started: (n: number) => void = () => undefined
  const noop = job('bench.noop', {}, async ({ input }) => started((input as { n: number }).n))
  const limited = new Map(
    ([10, 1_000] as const).map((limit) => [limit, job(`bench.limit-${limit}`, { limit }, noop.handler)]),
  )
  const calls = new Map([
    [
      1,
      job('bench.call-1', {}, async ({ input }) => {
        started((input as { n: number }).n)
        await sleep(2)
      }),
    ],
    [
      100,
      job(
        'bench.call-100',
        {},
        batch({ size: 100, wait: 10 }, async ({ items }) => {
          for (const { input } of items) started((input as { n: number }).n)
          await sleep(2)
        }),
      ),
    ],
  ] as const)
  let steps = 0
  const durable = job('bench.steps', { queue: 'steps' }, async ({ step }) => {
    for (let n = 0; n < steps; n++) await step(`step-${n}`, () => undefined)
  })
  const sleeper = job('bench.sleeper', {}, ({ input, sleepUntil }) => sleepUntil(new Date(input as string)))
  const lw = await legwork({ jobs: [noop, durable, sleeper, ...limited.values(), ...calls.values()], database })
  return {
    add: (one) => lw.enqueue(noop, inputOf(one), optionsOf(one)),
    addMany: (jobs) => {
      const { limit, together }: Job = jobs[0] ?? { n: 0 }
      const kind = (limit && limited.get(limit)) ?? (together && calls.get(together)) ?? noop
      return lw.enqueueMany(kind, jobs.map(inputOf), bulkOptions(jobs))
    },
    async work(ears) {
      started = (n) => ears.started(n)
      lw.on('completed', () => ears.settled(1))
      lw.on('error', ({ during, error }) => console.error('legwork:', during, error))
      await lw.work({ concurrency, stopOnSignal: false })
    },
    async runSteps(work) {
      steps = work.steps
      await lw.work({ concurrency: 100, stopOnSignal: false })
      await repeat(work.runs, work.atOnce, async () => (await lw.enqueue(durable)).result())
    },
    sleepers: sleepersOf(lw, sleeper, concurrency),
    close: () => lw.close(),
    questions: {
      status: (id) => lw.ref(id).status(),
      newest: () => lw.list({ limit: 50 }),
      ofName: () => lw.list({ limit: 50, state: 'completed', name: 'bench.noop' }),
      counts: () => lw.queues(),
    },
  }
}

function sleepersOf(lw: Legwork, sleeper: Contract<unknown, unknown>, concurrency: number): Session['sleepers'] {
  let wanted = 0
  const left = { parked: 0, completed: 0 }
  const over = (how: keyof typeof left) =>
    new Promise<void>((resolve) => {
      left[how] = wanted
      const forget = lw.on(how, ({ name }) => {
        if (name !== sleeper.name || --left[how] > 0) return
        forget()
        resolve()
      })
    })
  let ended: Promise<void> = Promise.resolve()
  return {
    async park(count, until) {
      wanted = count
      const parked = over('parked')
      ended = over('completed')
      await lw.work({ concurrency, stopOnSignal: false })
      for (let added = 0; added < count; added += 1_000)
        await lw.enqueueMany(
          sleeper,
          Array.from({ length: Math.min(1_000, count - added) }, () => until.toISOString()),
        )
      await parked
    },
    awake: () => ended,
  }
}

function optionsOf(one: Job): { key?: string; delay?: number; priority?: 'low' } {
  return {
    ...(one.key !== undefined && { key: one.key }),
    ...(one.delay !== undefined && { delay: one.delay }),
    ...(one.low && { priority: 'low' }),
  }
}

/** One object for all where nothing differs: a function per job is for those that need it. */
function bulkOptions(jobs: readonly Job[]): ReturnType<typeof optionsOf> | ((input: unknown, index: number) => object) {
  const plain = jobs.every((one) => one.key === undefined)
  return plain ? optionsOf(jobs[0] ?? { n: 0 }) : (_input, index) => optionsOf(jobs[index] ?? { n: 0 })
}

import { setTimeout as pause } from 'node:timers/promises'
import { type MetricInfo, type Run, now, type Scenario } from '../scenario.ts'
import { countStatements, total } from '../statements.ts'

const count = 10_000
/** How long they sleep, from the first on, in milliseconds: longer than parking and watching takes. */
const nap = 90_000
/** How long an idle process is watched, in seconds. Long enough for all that it does now and then. */
const watched = 20
/** After a change, until it is watched: a backend of the server tells its commits up to 10 s after it has become idle. */
const calmAfter = 15_000

const costs: Record<string, Omit<MetricInfo, 'better'>> = {
  statements: { title: 'statements while idle', unit: 'per minute' },
  commits: { title: 'commits while idle', unit: 'per minute' },
  heap: { title: 'heap of the process', unit: 'MiB' },
}

export const sleepers: Scenario = {
  name: 'sleepers',
  title: '10,000 durable jobs that sleep at the same time',
  peers: ['legwork'],
  metrics: {
    'sleepers/park': { title: 'until all are parked', unit: 's', better: 'less' },
    'sleepers/wake': { title: 'from the end of the sleep until all have ended', unit: 's', better: 'less' },
    ...Object.fromEntries(
      ['without', 'parked'].flatMap((when) =>
        Object.entries(costs).map(([kind, info]) => [
          `sleepers/${when}/${kind}`,
          {
            ...info,
            title: `${info.title}, ${when === 'parked' ? 'with all of them parked' : 'without any'}`,
            better: 'less' as const,
          },
        ]),
      ),
    ),
  },
  cases: {
    async sleepers(run) {
      const session = await run.open()
      try {
        const sleeping = session.sleepers
        if (!sleeping) throw new Error(`${run.peer.name} has no sleepers`)
        await sleeping.park(200, new Date(Date.now() + 20_000))
        await sleeping.awake()
        const without = await idle(run, 'without')
        const until = new Date(Date.now() + nap)
        const began = now()
        await sleeping.park(count, until)
        const parked = (now() - began) / 1_000
        const beside = await idle(run, 'parked')
        await sleeping.awake()
        const woken = (Date.now() - until.getTime()) / 1_000
        return { 'sleepers/park': parked, 'sleepers/wake': woken, ...without, ...beside }
      } finally {
        await session.close()
      }
    },
  },
}

async function idle(run: Run, when: string): Promise<Record<string, number>> {
  await pause(calmAfter)
  globalThis.gc?.()
  const sent = countStatements()
  const commits = await commitsOf(run)
  const began = now()
  await pause(watched * 1_000)
  const perMinute = 60_000 / (now() - began)
  const found = {
    statements: total(sent) * perMinute,
    commits: ((await commitsOf(run)) - commits) * perMinute,
    heap: process.memoryUsage().heapUsed / 1024 / 1024,
  }
  return Object.fromEntries(Object.entries(found).map(([kind, value]) => [`sleepers/${when}/${kind}`, value]))
}

async function commitsOf(run: Run): Promise<number> {
  const [row] = await run.query<{ n: string }>(
    'select xact_commit as n from pg_stat_database where datname = current_database()',
  )
  return Number(row?.n)
}

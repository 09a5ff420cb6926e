import { jobs, load, warmUp } from '../load.ts'
import { percentile } from '../numbers.ts'
import type { Session } from '../peer.ts'
import { Progress, rate } from '../progress.ts'
import { now, type MetricInfo, type Run, type Scenario } from '../scenario.ts'

/** The jobs of a drain, times this. */
const sizes = { small: 0.1, middle: 1, large: 10 } as const
const questions = ['status', 'newest', 'ofName', 'counts'] as const
const asked = 300

const titles = {
  status: 'status by id',
  newest: 'the 50 newest jobs',
  ofName: 'the 50 newest completed ones of a name',
  counts: 'all queues with their counts',
}

export const growth: Scenario = {
  name: 'growth',
  title:
    'The same with a tenth and with ten times the jobs (10,000 · 100,000 · 1,000,000 unless --jobs says so), then with all of these in history',
  peers: ['legwork'],
  metrics: {
    ...Object.fromEntries(
      Object.entries(sizes).flatMap(([size, times]): [string, MetricInfo][] => [
        [`growth/${size}`, { title: `drain, ${times} × the jobs`, unit: 'jobs/s', better: 'more' }],
        [
          `growth/${size}/cpu`,
          { title: `CPU of Node and server, ${times} × the jobs`, unit: 'µs/job', better: 'less' },
        ],
      ]),
    ),
    'growth/after': { title: 'drain, with the 10 × jobs in history', unit: 'jobs/s', better: 'more' },
    ...Object.fromEntries(
      questions.map((name): [string, MetricInfo] => [
        `growth/${name}`,
        { title: `${titles[name]}, with the 10 × jobs in history, p99`, unit: 'ms', better: 'less' },
      ]),
    ),
  },
  cases: {
    small: (run) => grown(run, 'small'),
    middle: (run) => grown(run, 'middle'),
    async large(run) {
      const found = await grown(run, 'large')
      await load(run, jobs(run.sizes.jobs))
      const after = await drain(run, run.sizes.jobs)
      return { ...found, 'growth/after': after.rate, ...(await answers(run)) }
    },
  },
}

async function grown(run: Run, size: keyof typeof sizes): Promise<Record<string, number>> {
  const count = Math.ceil(run.sizes.jobs * sizes[size])
  await warmUp(run)
  await load(run, jobs(count))
  const { rate: perSecond, cpu } = await drain(run, count)
  return { [`growth/${size}`]: perSecond, ...(cpu !== undefined && { [`growth/${size}/cpu`]: cpu }) }
}

async function drain(run: Run, count: number): Promise<{ rate: number; cpu: number | undefined }> {
  const session = await run.open()
  const progress = new Progress()
  try {
    const meter = await run.meter()
    const began = now()
    await session.work(progress)
    await progress.until(count, run.sizes.seconds)
    const { nodeCpu, serverCpu } = await meter.stop()
    const cpu = serverCpu === undefined ? undefined : ((nodeCpu + serverCpu) / progress.settledCount) * 1e6
    return { rate: rate(progress, began), cpu }
  } finally {
    await session.close()
  }
}

/** Ids from all over the history, so that not everything is in the cache already. */
async function answers(run: Run): Promise<Record<string, number>> {
  const rows = await run.query<{ id: string }>(
    `select id::text from legwork.finished tablesample system (1) order by random() limit ${asked}`,
  )
  const session = await run.open()
  try {
    const found: Record<string, number> = {}
    for (const name of questions)
      found[`growth/${name}`] = await slowest(
        session,
        name,
        rows.map((row) => row.id),
      )
    return found
  } finally {
    await session.close()
  }
}

async function slowest(session: Session, name: (typeof questions)[number], ids: readonly string[]): Promise<number> {
  const taken: number[] = []
  for (const id of ids) {
    const began = now()
    await session.questions?.[name](id)
    taken.push(now() - began)
  }
  return percentile(taken, 0.99)
}

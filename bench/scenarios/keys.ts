import { jobs, load, warmUp } from '../load.ts'
import { Progress, rate } from '../progress.ts'
import { now, type Run, type Scenario } from '../scenario.ts'
import { drainRate } from './drain.ts'

/** One key for ten jobs; a tenth of all jobs for the hot key. */
const share = 10

export const keys: Scenario = {
  name: 'keys',
  title: 'Drain of jobs with keys, each key one job at a time and in order',
  metrics: {
    'keys/none': { title: 'no keys', unit: 'jobs/s', better: 'more' },
    'keys/many': { title: 'ten jobs per key', unit: 'jobs/s', better: 'more' },
    'keys/apart': { title: 'jobs without key, nothing else', unit: 'jobs/s', better: 'more' },
    'keys/hot': { title: 'the same beside a tenth as many of one hot key', unit: 'jobs/s', better: 'more' },
  },
  cases: {
    none: async (run) => ({ 'keys/none': await drained(run, () => ({})) }),
    many: async (run) => ({
      'keys/many': await drained(run, (n) => ({ key: `k${n % Math.ceil(run.sizes.jobs / share)}` })),
    }),
    apart: async (run) => ({ 'keys/apart': await besideHotKey(run, 0) }),
    hot: async (run) => ({ 'keys/hot': await besideHotKey(run, Math.ceil(run.sizes.jobs / share)) }),
  },
  unfit(peer) {
    if (peer.features.includes('keys')) return undefined
    return peer.name === 'limit' ? 'its loop knows of no keys' : 'has no such thing, or not in its free edition'
  },
}

async function drained(run: Run, also: (n: number) => { key?: string }): Promise<number> {
  await warmUp(run)
  await load(run, jobs(run.sizes.jobs, also))
  return drainRate(run, run.sizes.jobs)
}

/** How fast the jobs without a key are done; those of the hot key, older than all others, go on as they can. */
async function besideHotKey(run: Run, hot: number): Promise<number> {
  await warmUp(run)
  await load(
    run,
    jobs(hot, () => ({ key: 'hot' })),
  )
  const others = run.sizes.jobs
  await load(
    run,
    jobs(others).map((job) => ({ n: job.n + hot })),
  )
  const session = await run.open()
  const progress = new Progress()
  const free = new Progress()
  // The peers tell how many jobs are settled, not which: the handlers tell them apart, and are at most a batch ahead.
  progress.onStarted = (n) => (n >= hot ? free.settled(1) : undefined)
  const began = now()
  try {
    await session.work(progress)
    await free.until(others, run.sizes.seconds)
    return rate(free, began)
  } finally {
    await session.close()
  }
}

import { jobs, load, warmUp } from '../load.ts'
import type { Run, Scenario } from '../scenario.ts'
import { drainRate } from './drain.ts'

/** A fifth of the jobs of a drain: they go at the pace of the round trips, not of the machine. */
const share = 5

export const limits: Scenario = {
  name: 'limits',
  title: 'Drain of jobs of which only so many may run at once, over all processes',
  metrics: {
    'limits/none': { title: 'no limit', unit: 'jobs/s', better: 'more' },
    'limits/10': { title: 'ten at once', unit: 'jobs/s', better: 'more' },
    'limits/1000': { title: 'a thousand at once', unit: 'jobs/s', better: 'more' },
  },
  cases: {
    none: async (run) => ({ 'limits/none': await drained(run) }),
    ten: async (run) => ({ 'limits/10': await drained(run, 10) }),
    thousand: async (run) => ({ 'limits/1000': await drained(run, 1_000) }),
  },
  unfit(peer) {
    if (peer.features.includes('limits')) return undefined
    return peer.name === 'limit' ? 'its loop knows of no limits' : 'has no such thing, or not in its free edition'
  },
}

async function drained(run: Run, limit?: 10 | 1_000): Promise<number> {
  await warmUp(run)
  const count = Math.ceil(run.sizes.jobs / share)
  await load(
    run,
    jobs(count, () => (limit === undefined ? {} : { limit })),
  )
  return drainRate(run, count)
}

import { jobs, load, warmUp } from '../load.ts'
import type { Run, Scenario } from '../scenario.ts'
import { drainRate } from './drain.ts'

/** Each call takes two milliseconds, as one to a service would: this is what a batch shares. */
const share = 20

export const batches: Scenario = {
  name: 'batches',
  title: 'Drain of jobs whose handler makes a call of 2 ms: one for each, or one for up to a hundred',
  metrics: {
    'batches/1': { title: 'a call each', unit: 'jobs/s', better: 'more' },
    'batches/100': { title: 'a call for a hundred', unit: 'jobs/s', better: 'more' },
  },
  cases: {
    single: async (run) => ({ 'batches/1': await drained(run, 1) }),
    hundred: async (run) => ({ 'batches/100': await drained(run, 100) }),
  },
  unfit(peer) {
    if (peer.features.includes('batches')) return undefined
    return 'not compared: what its handlers take many of, if they do, ends as one'
  },
}

async function drained(run: Run, together: 1 | 100): Promise<number> {
  await warmUp(run)
  const count = Math.ceil((run.sizes.jobs / share) * (together === 1 ? 1 : 10))
  await load(
    run,
    jobs(count, () => ({ together })),
  )
  return drainRate(run, count)
}

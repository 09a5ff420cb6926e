import { jobs, load, warmUp } from '../load.ts'
import type { Run, Scenario } from '../scenario.ts'
import { drainRate } from './drain.ts'

const hour = 3_600_000

export const backlog: Scenario = {
  name: 'backlog',
  title:
    'Drain while as many older jobs of low priority and as many delayed jobs wait (1,000,000 each unless --backlog says so)',
  metrics: {
    'backlog/none': { title: 'drain, nothing else waits', unit: 'jobs/s', better: 'more' },
    'backlog/waiting': { title: 'drain beside the backlog', unit: 'jobs/s', better: 'more' },
  },
  cases: {
    none: async (run) => ({ 'backlog/none': await drainBeside(run, 0) }),
    waiting: async (run) => ({ 'backlog/waiting': await drainBeside(run, run.sizes.backlog) }),
  },
}

async function drainBeside(run: Run, waiting: number): Promise<number> {
  await warmUp(run)
  await load(
    run,
    jobs(waiting, () => ({ low: true })),
  )
  await load(
    run,
    jobs(waiting, (n) => ({ delay: hour + n })),
  )
  await load(run, jobs(run.sizes.jobs))
  return drainRate(run, run.sizes.jobs)
}

import { jobs, load, warmUp } from '../load.ts'
import { Progress, rate } from '../progress.ts'
import { now, type Run, type Scenario } from '../scenario.ts'

export const drain: Scenario = {
  name: 'drain',
  title: 'Preloaded jobs that do nothing, one worker process, history kept',
  metrics: { drain: { title: 'drain', unit: 'jobs/s', better: 'more' } },
  cases: {
    async drain(run) {
      await warmUp(run)
      await load(run, jobs(run.sizes.jobs))
      return { drain: await drainRate(run, run.sizes.jobs) }
    },
  },
}

/** From the start of the worker until the last result is stored. */
export async function drainRate(run: Run, count: number): Promise<number> {
  const session = await run.open()
  const progress = new Progress()
  const began = now()
  try {
    await session.work(progress)
    await progress.until(count, run.sizes.seconds)
    return rate(progress, began)
  } finally {
    await session.close()
  }
}

import { jobs, warmUp } from '../load.ts'
import type { Session } from '../peer.ts'
import { Progress, rate } from '../progress.ts'
import { now, type Run, type Scenario } from '../scenario.ts'

/** The producer waits while so many jobs are not done: the system keeps up, instead of the disk filling. */
const mostAhead = 20_000
const perCall = 1_000

export const steady: Scenario = {
  name: 'steady',
  title: 'Producing in calls of 1,000 and working at once, in one process',
  metrics: { steady: { title: 'steady', unit: 'jobs/s', better: 'more' } },
  cases: {
    async steady(run) {
      await warmUp(run)
      return { steady: await steadyRate(run, run.sizes.jobs) }
    },
  },
}

/** From the first call until the last result is stored, or until the time is over. */
export async function steadyRate(run: Run, count: number): Promise<number> {
  await run.calm()
  const session = await run.open()
  const progress = new Progress()
  try {
    await session.work(progress)
    const began = now()
    const stop = { over: false }
    const producing = produce(session, progress, count, stop)
    await progress.until(count, run.sizes.seconds)
    stop.over = true
    await producing
    return rate(progress, began)
  } finally {
    await session.close()
  }
}

async function produce(
  session: Session,
  progress: Progress,
  count: number,
  stop: { readonly over: boolean },
): Promise<void> {
  const call = jobs(perCall)
  for (let produced = 0; produced < count && !stop.over;) {
    if (produced - progress.settledCount > mostAhead) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      continue
    }
    await session.addMany(call.slice(0, count - produced))
    produced += perCall
  }
}

import { addAll, jobs, warmUp } from '../load.ts'
import { now, type Scenario } from '../scenario.ts'

export const bulk: Scenario = {
  name: 'bulk',
  title: 'Jobs added in calls of 1,000, one call after the other',
  metrics: { bulk: { title: 'bulk', unit: 'jobs/s', better: 'more' } },
  cases: {
    async bulk(run) {
      await warmUp(run)
      const session = await run.open()
      try {
        const all = jobs(run.sizes.jobs)
        await addAll(session, all.slice(0, 3_000))
        await run.calm()
        const began = now()
        await addAll(session, all)
        return { bulk: all.length / ((now() - began) / 1000) }
      } finally {
        await session.close()
      }
    },
  },
}

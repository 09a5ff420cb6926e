import { jobs, load, warmUp } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { addFor } from './add.ts'
import { drainRate } from './drain.ts'

const callers = [1, 20, 100] as const

export const embedded: Scenario = {
  name: 'embedded',
  title: 'The embedded database (PGlite): drain and add beside the same statements without the engine',
  peers: ['legwork-pglite', 'limit-pglite'],
  metrics: {
    'embedded/drain': { title: 'drain', unit: 'jobs/s', better: 'more' },
    ...Object.fromEntries(
      callers.map((count) => [
        `embedded/add/${count}`,
        { title: `add, ${count} caller${count > 1 ? 's' : ''}`, unit: 'jobs/s', better: 'more' as const },
      ]),
    ),
  },
  cases: {
    async drain(run) {
      await warmUp(run)
      await load(run, jobs(run.sizes.jobs))
      return { 'embedded/drain': await drainRate(run, run.sizes.jobs) }
    },
    async add(run) {
      await warmUp(run)
      const session = await run.open()
      try {
        const found: Record<string, number> = {}
        for (const count of callers) {
          await addFor(session, count, 0.3)
          found[`embedded/add/${count}`] = await addFor(session, count, Math.min(2, run.sizes.seconds))
        }
        return found
      } finally {
        await session.close()
      }
    },
  },
}

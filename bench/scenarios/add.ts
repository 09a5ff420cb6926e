import { warmUp } from '../load.ts'
import type { Session } from '../peer.ts'
import { now, type Scenario } from '../scenario.ts'

const callers = [1, 20, 100] as const
/** Enough for a steady figure, short enough to be repeated for every peer and round. */
const longest = 3

export const add: Scenario = {
  name: 'add',
  title: 'One job per call, each durable when its promise resolves (Redis: as durable as its server is set)',
  metrics: Object.fromEntries(
    callers.map((count) => [
      `add/${count}`,
      { title: `add, ${count} caller${count > 1 ? 's' : ''}`, unit: 'jobs/s', better: 'more' },
    ]),
  ),
  cases: {
    async add(run) {
      await warmUp(run)
      const session = await run.open()
      try {
        const found: Record<string, number> = {}
        for (const count of callers) {
          await addFor(session, count, 0.3)
          await run.calm()
          found[`add/${count}`] = await addFor(session, count, Math.min(longest, run.sizes.seconds))
        }
        return found
      } finally {
        await session.close()
      }
    },
  },
}

/** Each caller adds a job, waits for the promise, and adds the next. */
export async function addFor(session: Session, count: number, seconds: number): Promise<number> {
  let added = 0
  const began = now()
  const end = began + seconds * 1000
  const call = async () => {
    while (now() < end) await session.add({ n: added++ })
  }
  await Promise.all(Array.from({ length: count }, call))
  return added / ((now() - began) / 1000)
}

import type { Job, Session } from './peer.ts'
import { Progress } from './progress.ts'
import type { Run } from './scenario.ts'

const perCall = 1_000

/** Jobs n = 0, 1, … with whatever `also` adds. */
export function jobs(count: number, also: (n: number) => Omit<Job, 'n'> = () => ({})): Job[] {
  return Array.from({ length: count }, (_, n) => ({ n, ...also(n) }))
}

/** Adds jobs in calls of 1,000. */
export async function addAll(session: Session, all: readonly Job[]): Promise<void> {
  for (let at = 0; at < all.length; at += perCall) await session.addMany(all.slice(at, at + perCall))
}

/** Loads jobs in a session of its own. */
export async function load(run: Run, all: readonly Job[]): Promise<void> {
  await run.calm()
  const session = await run.open()
  try {
    await addAll(session, all)
  } finally {
    await session.close()
  }
  await run.analyze()
}

/** Runs a few thousand jobs, so that what is measured next is compiled code. */
export async function warmUp(run: Run, count = 3_000): Promise<void> {
  const session = await run.open()
  try {
    await addAll(session, jobs(count))
    await Promise.all(jobs(200).map((job) => session.add(job)))
    const progress = new Progress()
    await session.work(progress)
    await progress.until(count + 200, 30)
  } finally {
    await session.close()
  }
}

/** Calls `one` so many times, `atOnce` of them under way at any time. */
export async function repeat(times: number, atOnce: number, one: () => Promise<unknown>): Promise<void> {
  let left = times
  const line = async (): Promise<void> => {
    while (left-- > 0) await one()
  }
  await Promise.all(Array.from({ length: atOnce }, line))
}

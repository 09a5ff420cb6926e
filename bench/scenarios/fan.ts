import { jobs, load, warmUp } from '../load.ts'
import { empty } from '../statements.ts'
import { now, type RemoteWorker, type Run, type Scenario } from '../scenario.ts'

const counts = [1, 2, 4] as const

const perProcesses = (count: number) => `${count} process${count > 1 ? 'es' : ''}`

export const fan: Scenario = {
  name: 'fan',
  title: 'Drain by several worker processes',
  metrics: Object.fromEntries(
    counts.flatMap((count) => [
      [`fan/${count}`, { title: perProcesses(count), unit: 'jobs/s', better: 'more' }],
      [`fan/${count}/claims`, { title: `claims, ${perProcesses(count)}`, unit: 'per 1,000 jobs', better: 'less' }],
      [
        `fan/${count}/wasted`,
        { title: `of these without a job, ${perProcesses(count)}`, unit: 'per 1,000 jobs', better: 'less' },
      ],
    ]),
  ),
  cases: Object.fromEntries(counts.map((count) => [`${count}`, (run: Run) => drainWith(run, count)])),
  unfit: (peer) => (peer.name === 'limit' ? 'its loop knows of one process only' : undefined),
}

/**
 * Every process compiles its code for itself, which with few cores is most of what several do in their first second. So
 * there are a quarter as many jobs again for each of them, and the clock starts when these have been done; it runs until the
 * last result is stored.
 */
async function drainWith(run: Run, processes: number): Promise<Record<string, number>> {
  const warm = processes * Math.round(run.sizes.jobs / 4)
  const all = run.sizes.jobs + warm
  await warmUp(run)
  await load(run, jobs(all))
  const workers = await Promise.all(Array.from({ length: processes }, () => run.spawnWorker()))
  const totals = workers.map(() => 0)
  let began = { at: 0, settled: 0 }
  let last = 0
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, run.sizes.seconds * 1000)
    for (const [place, worker] of workers.entries()) {
      worker.onSettled = (total) => {
        totals[place] = total
        last = now()
        if (began.at === 0 && sum(totals) >= warm) began = { at: last, settled: sum(totals) }
        if (sum(totals) < all) return
        clearTimeout(timer)
        resolve()
      }
    }
  })
  await Promise.all(workers.map((worker) => worker.start()))
  await Promise.race([done, ...workers.map((worker) => worker.failed)])
  const settled = sum(totals)
  return {
    [`fan/${processes}`]: (settled - began.settled) / ((last - began.at) / 1000),
    ...(await waste(workers, processes, settled)),
  }
}

async function waste(
  workers: readonly RemoteWorker[],
  processes: number,
  settled: number,
): Promise<Record<string, number>> {
  const ends = await Promise.all(workers.map((worker) => worker.stop()))
  const count = (fits: (name: string) => boolean) =>
    sum(ends.flatMap(({ statements }) => Object.entries(statements).map(([name, sent]) => (fits(name) ? sent : 0))))
  const claims = count((name) => isClaim(name) && !name.endsWith(empty))
  const wasted = count((name) => isClaim(name) && name.endsWith(empty))
  if (claims === 0) return {}
  return {
    [`fan/${processes}/claims`]: (claims / settled) * 1000,
    [`fan/${processes}/wasted`]: (wasted / settled) * 1000,
  }
}

/** The statements by which the peers on PostgreSQL take jobs. */
function isClaim(name: string): boolean {
  return /^(lw_claim|get_job|WITH next)/.test(name)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

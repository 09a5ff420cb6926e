import { addAll, jobs, warmUp } from '../load.ts'
import { Progress } from '../progress.ts'
import type { MetricInfo, Run, Scenario, Usage } from '../scenario.ts'
import { countStatements, total } from '../statements.ts'

const kinds: Record<string, Omit<MetricInfo, 'better'>> = {
  commits: { title: 'commits', unit: 'per 1,000 jobs' },
  statements: { title: 'statements', unit: 'per 1,000 jobs' },
  wal: { title: 'WAL', unit: 'bytes/job' },
  dead: { title: 'dead rows', unit: 'per job' },
  node: { title: 'CPU of Node', unit: 'µs/job' },
  server: { title: 'CPU of the server', unit: 'µs/job' },
}

const phases = { bulk: 'added in calls of 1,000', drain: 'claimed, run, settled' }

export const cost: Scenario = {
  name: 'cost',
  title: 'What a job costs',
  metrics: {
    ...Object.fromEntries(
      Object.entries(phases).flatMap(([phase, doing]) =>
        Object.entries(kinds).map(([kind, info]) => [
          `cost/${phase}/${kind}`,
          { ...info, title: `${info.title}, ${doing}`, better: 'less' as const },
        ]),
      ),
    ),
    'cost/memory': { title: 'peak memory of the process', unit: 'MiB', better: 'less' },
  },
  cases: {
    async cost(run) {
      await warmUp(run)
      const count = run.sizes.jobs
      await run.calm()
      const bulk = await costOf(run, 'bulk', count, async (session) => addAll(session, jobs(count)))
      await run.analyze()
      const drain = await costOf(run, 'drain', count, async (session) => {
        const progress = new Progress()
        await session.work(progress)
        await progress.until(count, run.sizes.seconds)
      })
      return { ...bulk, ...drain, 'cost/memory': process.resourceUsage().maxRSS / 1024 }
    },
  },
}

type Act = (session: Awaited<ReturnType<Run['open']>>) => Promise<void>

/** Sessions are closed before the statistics are read: a backend reports its last transactions when it ends. */
async function costOf(run: Run, phase: string, count: number, act: Act): Promise<Record<string, number>> {
  const session = await run.open()
  const before = await tables(run)
  const sent = countStatements()
  const meter = await run.meter()
  let usage: Usage
  try {
    await act(session)
    usage = await meter.stop()
  } finally {
    await session.close()
  }
  const after = await tables(run)
  const found: Record<string, number | undefined> = {
    node: (usage.nodeCpu / count) * 1e6,
    server: usage.serverCpu && (usage.serverCpu / count) * 1e6,
    wal: usage.walBytes && usage.walBytes / count,
    ...(run.peer.store === 'postgres' && {
      statements: (total(sent) / count) * 1000,
      commits: ((after.commits - before.commits) / count) * 1000,
      dead: (after.dead - before.dead) / count,
    }),
  }
  const known = Object.entries(found).filter((entry): entry is [string, number] => entry[1] !== undefined)
  return Object.fromEntries(known.map(([kind, value]) => [`cost/${phase}/${kind}`, value]))
}

/** Rows that an update or delete has left behind since the database was made; vacuum does not lower it. */
async function tables(run: Run): Promise<{ dead: number; commits: number }> {
  if (run.peer.store !== 'postgres') return { dead: 0, commits: 0 }
  const [row] = await run.query<{ dead: string; commits: string }>(
    `select (select sum(n_tup_upd + n_tup_del) from pg_stat_user_tables) as dead,
            (select xact_commit from pg_stat_database where datname = current_database()) as commits`,
  )
  return { dead: Number(row?.dead), commits: Number(row?.commits) }
}

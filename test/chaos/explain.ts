import type { Script } from './processes.ts'

/** One call of a handler. */
export interface RunRow {
  readonly job: string
  readonly name: string
  readonly n: number
  readonly attempt: number
  readonly pid: number
  readonly at: Date
}

/** What the test did to the system. */
export interface Incidents {
  readonly kills: { readonly pid: number; readonly at: number }[]
  readonly restarts: { readonly from: number; readonly to: number }[]
  readonly scripts: Script[]
}

type Cause = 'its worker was killed' | 'the server was restarted' | 'its worker lost the lease'

/** How long a run of these jobs and the writing of its outcome may take at most on a busy machine. */
const longestRun = 8_000

export interface Report {
  readonly text: string
  readonly unexplained: readonly string[]
}

/**
 * At least once means: a run is repeated only when nobody can know that the one before was written. So each run of an
 * attempt but the last must have been cut off by something that really happened.
 */
export function explain(rows: readonly RunRow[], incidents: Incidents): Report {
  const causes = new Map<Cause, number>()
  const unexplained: string[] = []
  const gaps: number[] = []
  for (const runs of attemptsOf(rows).values()) {
    for (const [place, run] of runs.slice(0, -1).entries()) {
      const next = runs[place + 1]!.at.getTime()
      const cause = causeOf(run, next, incidents)
      if (cause) causes.set(cause, (causes.get(cause) ?? 0) + 1)
      else unexplained.push(`${run.name} ${run.n}, attempt ${run.attempt}, in ${run.pid} at ${run.at.toISOString()}`)
      if (cause === 'its worker was killed') gaps.push(next - killOf(run, next, incidents)!.at)
    }
  }
  const extra = [...causes.values()].reduce((sum, n) => sum + n, unexplained.length)
  const sorted = gaps.toSorted((a, b) => a - b)
  const why = [...causes].map(([cause, n]) => `${n} because ${cause}`).join(', ')
  const text = `${rows.length} runs, ${incidents.kills.length} kills, ${incidents.restarts.length} restart; ${extra} runs repeated: ${why || 'none'}; from kill to the next run ${sorted[0] ?? '-'} to ${sorted.at(-1) ?? '-'} ms, median ${sorted[sorted.length >> 1] ?? '-'} ms`
  return { text, unexplained }
}

/** Runs by job and attempt, in the order they began. */
function attemptsOf(rows: readonly RunRow[]): Map<string, RunRow[]> {
  const groups = new Map<string, RunRow[]>()
  for (const row of rows) {
    const key = `${row.job} ${row.attempt}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return groups
}

function causeOf(run: RunRow, next: number, incidents: Incidents): Cause | undefined {
  const at = run.at.getTime()
  const killed = killOf(run, next, incidents)
  if (killed && killed.at - at < longestRun) return 'its worker was killed'
  if (incidents.restarts.some(({ from, to }) => at > from - longestRun && at < to + longestRun))
    return 'the server was restarted'
  const script = incidents.scripts.find(({ pid }) => pid === run.pid)
  return script?.lines.includes(`lost ${run.job}`) ? 'its worker lost the lease' : undefined
}

/** The kill of the worker between this run and the next one of the same attempt. */
function killOf(run: RunRow, next: number, { kills }: Incidents): { readonly at: number } | undefined {
  return kills.find(({ pid, at }) => pid === run.pid && at >= run.at.getTime() - 50 && at <= next)
}

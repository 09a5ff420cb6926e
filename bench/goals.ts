import { median, show } from './numbers.ts'

/** Every value of a metric by peer: `values(peer, metric)[round]`. */
export type Values = (peer: string, metric: string) => readonly number[]

export interface Goal {
  readonly scenario: string
  readonly text: string
  /** The figure and whether it is enough; undefined when something it needs was not measured. */
  judge(values: Values): { readonly figure: number; readonly reached: boolean } | undefined
}

interface Side {
  readonly peer: string
  readonly metric: string
}

/** Rounds are run in turn, so the ratio is taken round by round: what slows the machine slows both sides. */
export function ratioOf(values: Values, a: Side, b: Side): number | undefined {
  const upper = values(a.peer, a.metric)
  const lower = values(b.peer, b.metric)
  const rounds = Math.min(upper.length, lower.length)
  if (rounds === 0) return undefined
  return median(Array.from({ length: rounds }, (_, round) => (upper[round] ?? NaN) / (lower[round] ?? NaN)))
}

function atLeast(scenario: string, metric: string, peer: string, least: number): Goal {
  return compare(scenario, `${metric} ≥ ${least} × ${peer}`, { peer: 'legwork', metric }, { peer, metric }, least)
}

function compare(scenario: string, text: string, a: Side, b: Side, least: number): Goal {
  return {
    scenario,
    text,
    judge(values) {
      const figure = ratioOf(values, a, b)
      return figure === undefined ? undefined : { figure, reached: figure >= least }
    },
  }
}

const peers = ['graphile-worker', 'bullmq', 'pg-boss', 'pg-boss-fetch']

/** Against whichever peer is the best in this run; without any peer there is nothing to say. */
function atLeastBest(scenario: string, metric: string, least: number): Goal {
  return {
    scenario,
    text: `${metric} ≥ ${least} × the best peer`,
    judge(values) {
      const ratios = peers.flatMap((peer) => ratioOf(values, { peer: 'legwork', metric }, { peer, metric }) ?? [])
      if (ratios.length === 0) return undefined
      const figure = Math.min(...ratios)
      return { figure, reached: figure >= least }
    },
  }
}

/** What the engine has promised. */
export const goals: readonly Goal[] = [
  atLeast('drain', 'drain', 'graphile-worker', 2),
  atLeast('drain', 'drain', 'bullmq', 3.5),
  atLeast('drain', 'drain', 'limit', 0.6),
  atLeast('add', 'add/100', 'bullmq', 2),
  atLeast('add', 'add/100', 'graphile-worker', 20),
  atLeastBest('bulk', 'bulk', 1.5),
]

/** One line per goal that can be judged by what was measured. */
export function judgeAll(
  scenarios: readonly string[],
  values: Values,
): { text: string; reached: boolean; figure: number }[] {
  return goals
    .filter((goal) => scenarios.includes(goal.scenario))
    .flatMap((goal) => {
      const verdict = goal.judge(values)
      return verdict ? [{ text: goal.text, ...verdict }] : []
    })
}

export function verdictLine(verdict: { text: string; reached: boolean; figure: number }): string {
  return `${verdict.reached ? 'reached    ' : 'NOT reached'}  ${verdict.text}: ${show(verdict.figure)}`
}

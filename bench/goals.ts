import { median, show } from './numbers.ts'

/** Every value of a metric by peer and round. */
export type Values = (peer: string, metric: string) => readonly number[]

export interface Goal {
  readonly scenario: string
  readonly text: string
  /** The figure and whether it is enough; undefined when something it needs was not measured. */
  readonly judge: (values: Values) => Judgement | undefined
}

interface Judgement {
  readonly figure: number
  readonly reached: boolean
}

export interface Verdict extends Judgement {
  readonly scenario: string
  readonly text: string
}

interface Side {
  readonly peer: string
  readonly metric: string
}

const us = 'legwork'
const peers = ['graphile-worker', 'bullmq', 'pg-boss', 'pg-boss-fetch']

/** Rounds are run in turn, so the ratio is taken round by round: what slows the machine slows both sides. */
export function ratioOf(values: Values, a: Side, b: Side): number | undefined {
  const upper = values(a.peer, a.metric)
  const lower = values(b.peer, b.metric)
  const rounds = Math.min(upper.length, lower.length)
  if (rounds === 0) return undefined
  return median(Array.from({ length: rounds }, (_, round) => (upper[round] ?? NaN) / (lower[round] ?? NaN)))
}

/** `metric` of ours against the same of another peer. */
function beside(scenario: string, metric: string, peer: string, least: number): Goal {
  const judge = atLeast((values) => ratioOf(values, { peer: us, metric }, { peer, metric }), least)
  return { scenario, text: `${metric} ≥ ${least} × ${peer}`, judge }
}

/** Against whichever peer is the best in this run; without any peer there is nothing to say. */
function besideBest(scenario: string, metric: string, least: number): Goal {
  const worst = (values: Values) => {
    const ratios = peers.flatMap((peer) => ratioOf(values, { peer: us, metric }, { peer, metric }) ?? [])
    return ratios.length === 0 ? undefined : Math.min(...ratios)
  }
  return { scenario, text: `${metric} ≥ ${least} × the best peer`, judge: atLeast(worst, least) }
}

/** One metric of ours against another of ours. */
function own(scenario: string, metric: string, base: string, least: number): Goal {
  const judge = atLeast((values) => ratioOf(values, { peer: us, metric }, { peer: us, metric: base }), least)
  return { scenario, text: `${metric} ≥ ${least} × own ${base}`, judge }
}

function atLeast(figureOf: (values: Values) => number | undefined, least: number): Goal['judge'] {
  return (values) => {
    const figure = figureOf(values)
    return figure === undefined ? undefined : { figure, reached: figure >= least }
  }
}

function ownAtMost(scenario: string, text: string, [metric, base]: readonly [string, string], most: number): Goal {
  return {
    scenario,
    text,
    judge(values) {
      const figure = ratioOf(values, { peer: us, metric }, { peer: us, metric: base })
      return figure === undefined ? undefined : { figure, reached: figure <= most }
    },
  }
}

/** The median of a metric of ours. */
function atMost(scenario: string, metric: string, most: number, unit: string): Goal {
  return {
    scenario,
    text: `${metric} ≤ ${most} ${unit}`,
    judge(values) {
      const found = values(us, metric)
      return found.length === 0 ? undefined : { figure: median(found), reached: median(found) <= most }
    },
  }
}

/** What the engine has promised, and below it what a job may cost: a little above what was measured, so that it cannot creep up. */
export const goals: readonly Goal[] = [
  beside('drain', 'drain', 'graphile-worker', 2),
  beside('drain', 'drain', 'bullmq', 3.5),
  beside('drain', 'drain', 'limit', 0.6),
  besideBest('steady', 'steady', 2),
  beside('add', 'add/100', 'bullmq', 2),
  beside('add', 'add/100', 'graphile-worker', 20),
  besideBest('bulk', 'bulk', 1.5),
  {
    scenario: 'pickup',
    text: 'pickup/p50 ≤ 1 × graphile-worker',
    judge(values) {
      const metric = 'pickup/p50'
      const figure = ratioOf(values, { peer: us, metric }, { peer: 'graphile-worker', metric })
      return figure === undefined ? undefined : { figure, reached: figure <= 1 }
    },
  },
  atMost('pickup', 'pickup/commit/p50', 1, 'ms'),
  own('pinned', 'pinned/read', 'pinned/clean', 0.9),
  own('pinned', 'pinned/xid', 'pinned/clean', 0.6),
  own('backlog', 'backlog/waiting', 'backlog/none', 0.9),
  own('keys', 'keys/many', 'keys/none', 0.5),
  own('keys', 'keys/hot', 'keys/apart', 0.9),
  own('fan', 'fan/2', 'fan/1', 0.95),
  own('fan', 'fan/4', 'fan/2', 0.95),
  besidePglite('embedded', 'embedded/drain'),
  besidePglite('embedded', 'embedded/add/1'),
  besidePglite('embedded', 'embedded/add/20'),
  besidePglite('embedded', 'embedded/add/100'),
  own('growth', 'growth/large', 'growth/middle', 0.9),
  own('growth', 'growth/after', 'growth/middle', 0.9),
  atMost('growth', 'growth/status', 20, 'ms'),
  atMost('growth', 'growth/newest', 20, 'ms'),
  atMost('growth', 'growth/ofName', 20, 'ms'),
  beside('steps', 'steps', 'dbos', 6),
  beside('steps', 'steps', 'openworkflow', 5),
  ownAtMost('steps', 'a step of 200 ≤ 1.1 × one of 20', ['steps/of-200', 'steps/of-20'], 1.1),
  ownAtMost(
    'sleepers',
    'statements beside 10,000 sleepers ≤ 1.1 × without',
    ['sleepers/parked/statements', 'sleepers/without/statements'],
    1.1,
  ),
  atMost('cost', 'cost/bulk/statements', 3, 'per 1,000 jobs'),
  atMost('cost', 'cost/bulk/wal', 400, 'bytes/job'),
  atMost('cost', 'cost/drain/statements', 15, 'per 1,000 jobs'),
  atMost('cost', 'cost/drain/commits', 20, 'per 1,000 jobs'),
  atMost('cost', 'cost/drain/wal', 700, 'bytes/job'),
  atMost('cost', 'cost/drain/dead', 2.1, 'per job'),
]

/** Half of what PGlite does with the same statements. */
function besidePglite(scenario: string, metric: string): Goal {
  const judge = atLeast(
    (values) => ratioOf(values, { peer: 'legwork-pglite', metric }, { peer: 'limit-pglite', metric }),
    0.5,
  )
  return { scenario, text: `${metric} ≥ 0.5 × limit-pglite`, judge }
}

/** One verdict per goal that can be judged by what was measured. */
export function judgeAll(scenarios: readonly string[], values: Values): Verdict[] {
  return goals
    .filter((goal) => scenarios.includes(goal.scenario))
    .flatMap(({ scenario, text, judge }) => {
      const judgement = judge(values)
      return judgement ? [{ scenario, text, ...judgement }] : []
    })
}

export function verdictLine(verdict: Verdict): string {
  return `${verdict.reached ? 'reached    ' : 'NOT reached'}  ${verdict.text}: ${show(verdict.figure)}`
}

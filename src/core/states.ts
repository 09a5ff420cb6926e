/** Where a job can be. `running` is a ready row with a worker on it: claiming must not touch an index. */
export const states = [
  'scheduled',
  'blocked',
  'ready',
  'running',
  'waiting',
  'compensating',
  'completed',
  'dead',
  'cancelled',
  'compensated',
  'compensation_failed',
] as const

export type State = (typeof states)[number]

/** The number a state has in the database. Live states are below 10: the rest are in `legwork.finished`. */
export const stateCode = {
  scheduled: 1,
  blocked: 2,
  ready: 3,
  running: 3,
  waiting: 4,
  compensating: 5,
  completed: 10,
  dead: 11,
  cancelled: 12,
  compensated: 13,
  compensation_failed: 14,
} as const satisfies Record<State, number>

/** Blocked too, but by the jobs it comes after instead of by its key. */
export const comesAfterCode = 6

/** Under which the counters have cancelled jobs that had expired; no job has it. */
export const expiredCode = 15

export type FinalState = 'completed' | 'dead' | 'cancelled' | 'compensated' | 'compensation_failed'

export function isFinal(state: State): state is FinalState {
  return stateCode[state] >= 10
}

/** The state a row shows: its code, and whether a worker holds it. */
export function stateOf(code: number, held: boolean): State {
  if (code === stateCode.ready) return held ? 'running' : 'ready'
  if (code === comesAfterCode) return 'blocked'
  const found = states.find((state) => stateCode[state] === code)
  if (!found) throw new RangeError(`unknown state code ${code}`)
  return found
}

/**
 * Every move a job may make. The statements in store/queries take their `from` conditions here,
 * and the property tests check each observed move against it.
 */
export const transitions = {
  /** its time has come */
  stage: { from: ['scheduled'], to: ['ready'] },
  claim: { from: ['ready'], to: ['running'] },
  /** another job with its key goes first */
  block: { from: ['ready'], to: ['blocked'] },
  unblock: { from: ['blocked'], to: ['ready'] },
  complete: { from: ['running'], to: ['completed'] },
  retry: { from: ['running'], to: ['scheduled', 'ready'] },
  snooze: { from: ['running'], to: ['scheduled', 'ready'] },
  /** a durable job waits */
  park: { from: ['running', 'compensating'], to: ['waiting', 'ready'] },
  /** what it waited for has come */
  wake: { from: ['waiting'], to: ['ready'] },
  /** it failed or was cancelled, and its steps are undone */
  unwind: { from: ['running', 'ready', 'waiting', 'scheduled'], to: ['compensating', 'ready'] },
  undone: { from: ['running', 'compensating'], to: ['compensated', 'compensation_failed'] },
  /** handed back at shutdown; the attempt is not counted */
  release: { from: ['running'], to: ['ready'] },
  /** its worker died; the crash is counted, the attempt is not */
  rescue: { from: ['running', 'compensating'], to: ['ready', 'dead', 'cancelled', 'compensation_failed'] },
  fail: { from: ['running'], to: ['dead'] },
  /** a running job is asked first and ends as cancelled when its worker settles */
  cancel: { from: ['scheduled', 'blocked', 'ready', 'running', 'waiting'], to: ['cancelled'] },
  /** by a person: every undo that failed is settled */
  resolve: { from: ['compensation_failed'], to: ['compensated'] },
  /** by a person: a finished job runs again, a scheduled one at once */
  redrive: { from: ['dead', 'cancelled', 'compensation_failed', 'scheduled'], to: ['ready'] },
} as const satisfies Record<string, { from: readonly State[]; to: readonly State[] }>

export type Transition = keyof typeof transitions

/** Whether `event` may take a job from one state to the other. */
export function allows(event: Transition, from: State, to: State): boolean {
  const rule: { from: readonly State[]; to: readonly State[] } = transitions[event]
  return rule.from.includes(from) && rule.to.includes(to)
}

/** The database codes a statement may start from, as SQL text: `3` or `1, 2`. */
export function fromCodes(event: Transition): string {
  const codes = transitions[event].from.flatMap((state) =>
    state === 'blocked' ? [stateCode.blocked, comesAfterCode] : [stateCode[state]],
  )
  return [...new Set(codes)].join(', ')
}

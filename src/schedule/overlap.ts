import type { Policy } from '../core/schedule.ts'

/** A run that is to be fired, and those that it waits for: ids of jobs, or places in the list of this visit. */
export interface Run {
  readonly nominal: Date
  readonly isCatchUp: boolean
  readonly after: readonly (string | number)[]
}

export interface Left {
  readonly nominal: Date
  readonly reason: string
}

export interface Overlapped {
  readonly runs: readonly Run[]
  readonly left: readonly Left[]
  /** Unfinished runs that end for the sake of the new one; `'now'`: whatever they are doing. */
  readonly stop: { readonly ids: readonly string[]; readonly how: 'asked' | 'now' } | undefined
}

/** An instant that may fire. One in line waits for all before it, whatever the policy: that is how catching up is paced. */
export interface Candidate {
  readonly nominal: Date
  readonly isCatchUp: boolean
  readonly isInLine: boolean
}

const unfinished = 'an earlier run is unfinished'
const replaced = 'a later instant was due as well'

/** What becomes of instants, oldest first, while the jobs `live` are unfinished. */
export function overlapped(
  { overlap, bufferLimit }: Pick<Policy, 'overlap' | 'bufferLimit'>,
  live: readonly string[],
  due: readonly Candidate[],
): Overlapped {
  if (overlap === 'cancelRunning' || overlap === 'terminateRunning') return stopping(overlap, live, due)
  const runs: Run[] = []
  const left: Left[] = []
  const most = overlap === 'skip' ? 0 : overlap === 'bufferOne' ? 1 : bufferLimit
  for (const { nominal, isCatchUp, isInLine } of due) {
    const ahead = [...live, ...runs.keys()]
    if (isInLine) runs.push({ nominal, isCatchUp, after: ahead })
    else if (overlap === 'allow') runs.push({ nominal, isCatchUp, after: [] })
    else if (ahead.length <= most) runs.push({ nominal, isCatchUp, after: ahead })
    else left.push({ nominal, reason: overlap === 'skip' ? unfinished : `${unfinished} and ${most} wait already` })
  }
  return { runs, left, stop: undefined }
}

/** Only the last of them is worth beginning: it would replace the others at once. */
function stopping(
  overlap: 'cancelRunning' | 'terminateRunning',
  live: readonly string[],
  due: readonly Candidate[],
): Overlapped {
  const last = due.at(-1)
  const isGentle = overlap === 'cancelRunning'
  const stop =
    last && live.length > 0 ? { ids: live, how: isGentle ? ('asked' as const) : ('now' as const) } : undefined
  return {
    runs: last ? [{ nominal: last.nominal, isCatchUp: last.isCatchUp, after: isGentle ? live : [] }] : [],
    left: due.slice(0, -1).map(({ nominal }) => ({ nominal, reason: replaced })),
    stop,
  }
}

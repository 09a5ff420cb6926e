import type { Session } from '../peer.ts'

/** A session of a peer that is no queue. */
export function onlySteps(runSteps: NonNullable<Session['runSteps']>, close: () => Promise<void>): Session {
  const unfit = () => Promise.reject(new Error('this peer takes part in steps only'))
  return { add: unfit, addMany: unfit, work: unfit, runSteps, close }
}

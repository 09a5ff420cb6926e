import { warmUp } from '../load.ts'
import type { Session } from '../peer.ts'
import { percentile } from '../numbers.ts'
import { Progress } from '../progress.ts'
import { now, type Run, type Scenario } from '../scenario.ts'

const samples = 300
const fewest = 50
const warmSamples = 30
/** Between two jobs: long enough to be idle again, uneven so that no timer can be in step with it. */
const gap = () => 8 + Math.random() * 12

const ms = { unit: 'ms', better: 'less' } as const

export const pickup: Scenario = {
  name: 'pickup',
  title: 'An idle system: from the call that adds a job to the start of its handler',
  metrics: {
    'pickup/p50': { title: 'in another process, p50', ...ms },
    'pickup/p99': { title: 'in another process, p99', ...ms },
    'pickup/same/p50': { title: 'in the same process, p50', ...ms },
    'pickup/same/p99': { title: 'in the same process, p99', ...ms },
    'pickup/commit/p50': { title: 'of that after the promise of the call resolved, p50', ...ms },
    'pickup/commit/p99': { title: 'of that after the promise of the call resolved, p99', ...ms },
  },
  cases: {
    async other(run) {
      await warmUp(run)
      const worker = await run.spawnWorker()
      try {
        const measured = measure(run, (started) => {
          worker.onStarted = started
          return worker.start()
        })
        const { whole } = await Promise.race([measured, worker.failed])
        return figures('pickup', whole)
      } finally {
        await worker.stop()
      }
    },
    async same(run) {
      await warmUp(run)
      const { whole, after } = await measure(run, async (started, session) => {
        const progress = new Progress()
        progress.onStarted = (n) => started(n, now())
        await session.work(progress)
      })
      return { ...figures('pickup/same', whole), ...figures('pickup/commit', after) }
    },
  },
  unfit: (peer) => (peer.name === 'limit' ? 'its loop polls all the time' : undefined),
}

/** Nothing when a peer is so slow that there are too few samples for a p99 in the time there is. */
function figures(name: string, values: readonly number[]): Record<string, number> {
  if (values.length < fewest) return {}
  return { [`${name}/p50`]: percentile(values, 0.5), [`${name}/p99`]: percentile(values, 0.99) }
}

type Listen = (started: (n: number, at: number) => void, session: Session) => unknown

/** One job at a time. `whole` from the call to the handler, `after` from the resolved promise to the handler. */
async function measure(run: Run, listen: Listen): Promise<{ whole: number[]; after: number[] }> {
  const session = await run.open()
  const waiting = new Map<number, (at: number) => void>()
  try {
    await listen((n, at) => waiting.get(n)?.(at), session)
    const whole: number[] = []
    const after: number[] = []
    const end = now() + run.sizes.seconds * 1000
    for (let n = -warmSamples; n < samples && now() < end; n++) {
      await new Promise((resolve) => setTimeout(resolve, gap()))
      const started = new Promise<number>((resolve) => waiting.set(n, resolve))
      const called = now()
      await session.add({ n })
      const added = now()
      const at = await started
      if (n < 0) continue
      whole.push(at - called)
      after.push(Math.max(0, at - added))
    }
    return { whole, after }
  } finally {
    await session.close()
  }
}

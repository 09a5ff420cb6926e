import { type Run, now, type Scenario } from '../scenario.ts'

/** The shape of OpenWorkflow's own benchmark: 1,000 runs of 4 steps that do nothing, 100 at a time. */
const runs = 1_000
const atOnce = 100

export const steps: Scenario = {
  name: 'steps',
  title: 'Durable jobs: 1,000 of 4 steps that do nothing, 100 at a time; and single ones of 20 and of 200 steps',
  metrics: {
    steps: { title: 'steps', unit: 'steps/s', better: 'more' },
    'steps/of-20': { title: 'one job of 20 steps', unit: 'ms/step', better: 'less' },
    'steps/of-200': { title: 'one job of 200 steps', unit: 'ms/step', better: 'less' },
  },
  peers: ['legwork', 'dbos', 'openworkflow'],
  cases: {
    async steps(run) {
      const [took = NaN] = await timed(run, [{ runs, steps: 4, atOnce }])
      return { steps: (runs * 4) / (took / 1_000) }
    },
    async length(run) {
      const single = { runs: 1, atOnce: 1 }
      const [short = NaN, long = NaN] = await timed(run, [
        { ...single, steps: 20 },
        { ...single, steps: 200 },
      ])
      return { 'steps/of-20': short / 20, 'steps/of-200': long / 200 }
    },
  },
}

interface Work {
  readonly runs: number
  readonly steps: number
  readonly atOnce: number
}

/** Milliseconds from the first start to the last end of each, one after the other, after a warm-up in the same session. */
async function timed(run: Run, works: readonly Work[]): Promise<number[]> {
  const session = await run.open()
  try {
    if (!session.runSteps) throw new Error(`${run.peer.name} has no steps`)
    await session.runSteps({ runs: 200, steps: 4, atOnce: 50 })
    const took: number[] = []
    for (const work of works) {
      const began = now()
      await session.runSteps(work)
      took.push(now() - began)
    }
    return took
  } finally {
    await session.close()
  }
}

import { describe, expect, test } from 'vitest'
import type { AnyJob, JobRef } from '../../../src/index.ts'
import { type Deeds, type Moment, mortalWorld } from '../../support/mortal.ts'

/** A durable job, and the moments at which its process is killed. Whenever that is, it comes to the same. */
export interface Scenario {
  /** The first is the one that is enqueued. */
  readonly jobs: (deeds: Deeds) => readonly [AnyJob, ...AnyJob[]]
  /** What somebody outside does a minute after the start, and whom to look at after it. */
  readonly outside?: (ref: JobRef) => Promise<JobRef | void>
  readonly windows: Readonly<Record<string, Window>>
  readonly end: End
}

export interface End {
  /** What was done outside of the engine, in this order. */
  readonly deeds: readonly string[]
  readonly state: string
  readonly output?: unknown
  /** The steps and the undos as a person sees them. */
  readonly steps: readonly string[]
  readonly undos?: readonly string[]
}

export interface Window {
  readonly at: Moment
  /** What had been done and nobody knew it: it is done again. */
  readonly again?: string
  /** Somebody does this before there is another process. */
  readonly whileDead?: (ref: JobRef) => Promise<unknown>
  /** Where it cannot come to the same. */
  readonly instead?: Partial<End>
}

/** Options for jobs that are killed on purpose. */
export const quick = { retry: { attempts: 3, backoff: 'fixed', first: '10s' }, crashes: 100 } as const

/** A test for each window: the process is killed there, another one takes its place, and it comes to the same. */
export function describeWindows(scenarios: Readonly<Record<string, Scenario>>): void {
  describe.each(Object.entries(scenarios))('a process is killed: %s', (_title, scenario) => {
    test.each(Object.entries(scenario.windows))('%s', { timeout: 60_000 }, async (_window, window) => {
      expect(await play(scenario, window)).toEqual(expectedOf(scenario, window))
    })
  })
}

async function play({ jobs, outside }: Scenario, { at, whileDead }: Window) {
  const world = await mortalWorld(at, (deeds) => ({ jobs: [...jobs(deeds)] }))
  const [main] = world.jobs
  const { id } = await world.engine.enqueue(main!)
  let looked = id
  if (whileDead) world.whileDead = (engine) => whileDead(engine.ref(id))
  await world.advance('1m')
  if (outside) looked = (await world.whenAlive(() => outside(world.ref(id))))?.id ?? id
  await world.advance('1m')
  await world.advance('2h')
  await world.advance('1m')
  const ref = world.ref(looked)
  const [{ state }, steps, undos] = await Promise.all([ref.status(), ref.steps(), ref.undos()])
  return {
    killed: world.killed,
    deeds: await world.deeds(),
    state,
    output: state === 'completed' ? await ref.result() : undefined,
    steps: steps.map((step) => `${step.name} ${step.state}`),
    undos: undos.map((undo) => `${undo.step} ${undo.state}`),
  }
}

function expectedOf({ end }: Scenario, { again, instead }: Window) {
  const { undos = [], output, ...rest }: End = { ...end, ...instead }
  const deeds = rest.deeds.flatMap((deed) => (deed === again ? [deed, deed] : [deed]))
  return { killed: true, ...rest, deeds, output, undos }
}

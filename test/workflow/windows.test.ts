import { describe, expect, test } from 'vitest'
import { mortalWorld } from '../support/mortal.ts'
import { type End, type Scenario, scenarios, type Window } from './scenarios.ts'

describe.each(Object.entries(scenarios))('a process is killed: %s', (_title, scenario) => {
  test.each(Object.entries(scenario.windows))('%s', async (_window, window) => {
    expect(await play(scenario, window)).toEqual(expectedOf(scenario, window))
  })
})

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
    steps: steps.map(({ name, state }) => `${name} ${state}`),
    undos: undos.map(({ step, state }) => `${step} ${state}`),
  }
}

function expectedOf({ end }: Scenario, { again, instead }: Window) {
  const { undos = [], output, ...rest }: End = { ...end, ...instead }
  const deeds = rest.deeds.flatMap((deed) => (deed === again ? [deed, deed] : [deed]))
  return { killed: true, ...rest, deeds, output, undos }
}

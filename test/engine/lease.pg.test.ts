import { expect, onTestFinished, test } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'
import { job, type Legwork, legwork, type WorkOptions } from '../../src/index.ts'
import { gate, optionOf, testEngine, type TestWorld } from '../support/engine.ts'

/** A process whose timers have stopped, as SIGSTOP or a long garbage collection stops them: until `tick`. */
async function frozen(
  world: TestWorld,
  jobs: Parameters<typeof legwork>[0]['jobs'],
  work: WorkOptions,
): Promise<{ engine: Legwork; tick: () => void }> {
  const ticks: (() => void)[] = []
  const clock: Clock = {
    now: () => world.clock.now(),
    after: () => () => undefined,
    every: (_ms, fn) => {
      ticks.push(fn)
      return () => undefined
    },
  }
  const engine = await legwork({ jobs, database: optionOf(world.database), clock })
  onTestFinished(() => engine.close({ timeout: 0 }))
  await engine.work({ stopOnSignal: false, ...work })
  return { engine, tick: () => ticks.forEach((fn) => fn()) }
}

test('a worker that wakes up late can write nothing, says what it lost, and rises as a new one', async () => {
  const door = gate()
  const slow = job('slow', {}, () => door.opened.then(() => 'stale'))
  const world = await testEngine({ jobs: [slow.handle(() => 'fresh')], work: false })
  const zombie = await frozen(world, [slow], { concurrency: 1 })
  const lost: string[] = []
  const lostOne = gate()
  zombie.engine.on('lost', ({ id }) => {
    lost.push(id)
    lostOne.open()
  })
  const started = new Promise((resolve) => zombie.engine.on('started', resolve))
  const ref = await world.engine.enqueue(slow)
  await world.engine.pause('nothing') // a hint that reaches the frozen process
  await started
  await world.engine.work({ stopOnSignal: false })
  await world.advance('30s')
  expect(await ref.status()).toMatchObject({ state: 'completed', output: 'fresh', crashes: 1 })
  door.open()
  await lostOne.opened
  await zombie.engine.idle()
  expect(lost).toEqual([ref.id])
  expect(await ref.status()).toMatchObject({ state: 'completed', output: 'fresh' })
  const before = (await world.engine.workers()).map(({ id }) => id)
  zombie.tick()
  await expect.poll(async () => (await world.engine.workers()).length).toBe(before.length + 1)
})

test('a lost job hears of it: its signal aborts when the worker learns that it was declared dead', async () => {
  const reasons: unknown[] = []
  const slow = job('slow', {}, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    reasons.push(signal.reason)
  })
  const world = await testEngine({ jobs: [slow.handle(() => undefined)], work: false })
  const zombie = await frozen(world, [slow], { concurrency: 1 })
  const started = new Promise((resolve) => zombie.engine.on('started', resolve))
  await world.engine.enqueue(slow)
  await started
  await world.engine.work({ stopOnSignal: false })
  await world.advance('30s')
  const lost = new Promise((resolve) => zombie.engine.on('lost', resolve))
  zombie.tick()
  await lost
  await expect.poll(() => reasons).toEqual([expect.objectContaining({ code: 'LW_LEASE_LOST' })])
})

test('a process that slept as long as the others calls none of them dead', async () => {
  const slow = job('slow')
  const one = await testEngine({ jobs: [slow] })
  const two = await one.another()
  const rescued: unknown[] = []
  for (const { engine } of [one, two]) engine.on('rescued', (event) => rescued.push(event))
  await one.advance('1h')
  await two.advance('30d')
  expect(rescued).toEqual([])
  expect((await one.engine.workers()).map(({ state }) => state)).toEqual(['running', 'running'])
})

import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { gate, testEngine } from '../support/engine.ts'

test('hole: workers that join begin nothing that a living one is running', async () => {
  const { order, door, runs } = longJob()
  const one = await testEngine({ jobs: [order] })
  const ref = await one.engine.enqueue(order)
  await one.advance('1s')
  for (let n = 0; n < 3; n++) await one.another()
  await one.advance('10m')
  expect(runs()).toBe(1)
  door.open()
  await one.advance('1m')
  expect(await ref.result()).toBe('done')
  expect(runs()).toBe(1)
})

test('hole: a successor of the same name begins nothing that its predecessor still finishes', async () => {
  const { order, door, runs } = longJob()
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('1s')
  const two = await one.another() // the same host, process id and jobs
  const draining = one.engine.close({ timeout: '1h' })
  await two.advance('10m')
  expect(runs()).toBe(1)
  door.open()
  await draining
  await two.advance('1m')
  expect(await two.engine.ref(id).result()).toBe('done')
  expect(runs()).toBe(1)
})

/** A job whose one step goes on until the door is opened, and how often that step was begun. */
function longJob() {
  const door = gate()
  let begun = 0
  const order = job('order', {}, async ({ step }) => {
    await step('long', async () => {
      begun++
      await door.opened
    })
    return 'done'
  })
  return { order, door, runs: () => begun }
}

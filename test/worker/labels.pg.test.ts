import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('labels that no one worker has together', async () => {
  const both = job('both', { needs: ['gpu', 'eu'] }, () => 'ran')
  const world = await testEngine({ jobs: [both], work: { labels: ['gpu'] } })
  await world.another({ work: { labels: ['eu'] } })
  const ref = await world.engine.enqueue(both)
  await world.advance('1s')
  expect((await ref.status()).waitsFor).toBe(
    'no running worker serves queue "default" and has the labels "gpu" and "eu" together',
  )
})

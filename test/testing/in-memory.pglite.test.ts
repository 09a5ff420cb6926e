import { expect, onTestFinished, test } from 'vitest'
import { job } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing/index.ts'

test('without a database a test engine has one of its own, in memory', async () => {
  const hello = job('hello', {}, () => 'hello')
  const { engine, close } = await createTestEngine({ jobs: [hello] })
  onTestFinished(close)
  expect(await (await engine.enqueue(hello)).result()).toBe('hello')
}, 60_000)

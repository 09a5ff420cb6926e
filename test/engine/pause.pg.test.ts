import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('workers are told of a change that plain SQL makes, however seldom they poll', async () => {
  const note = job('note', { queue: 'mail' }, () => 'ran')
  const { engine, database } = await testEngine({ jobs: [note], work: { poll: '1d' } })
  await database.query(`select legwork.pause_queue('mail')`)
  const ref = await engine.enqueue(note)
  expect((await ref.status()).state).toBe('ready')
  const result = ref.result()
  await database.query(`select legwork.resume_queue('mail')`)
  expect(await result).toBe('ran')
})

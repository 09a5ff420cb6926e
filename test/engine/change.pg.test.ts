import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

test('a change and a claim that meet: the job runs as it was changed, or the change is refused', async () => {
  const ran = new Map<string, unknown>()
  const note = job('note', {}, ({ id, input }) => void ran.set(id, input))
  const world = await testEngine({ jobs: [note], work: { concurrency: 5 } })
  const { engine } = await world.another()
  for (let round = 0; round < 10; round++) {
    const refs = await world.engine.enqueueMany(note, ['old', 'old', 'old', 'old'])
    const changes = await Promise.allSettled(
      refs.map((ref, n) => engine.ref(ref.id).change({ input: 'new', ...(n % 2 && { priority: n }) })),
    )
    await world.drain()
    const expected = changes.map(({ status }) => (status === 'fulfilled' ? 'new' : 'old'))
    expect(refs.map(({ id }) => ran.get(id))).toEqual(expected)
  }
})

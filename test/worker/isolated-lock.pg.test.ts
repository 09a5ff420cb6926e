import { expect, test } from 'vitest'
import { testEngine } from '../support/engine.ts'
import { isolatedProcess, isolatedThread } from './isolated-lock-jobs.ts'

const modes = [
  ['thread', isolatedThread],
  ['process', isolatedProcess],
] as const

test.each(modes)(
  'in a %s: its worker dies, and the lock is free when the lease is over',
  async (_, { keeps }) => {
    const first = await testEngine({ jobs: [keeps] })
    const second = await first.another({ work: false })
    const ref = await first.engine.enqueue(keeps)
    for await (const event of ref.events()) if (event.type === 'progress') break
    let isTaken = false
    const taken = second.engine.lock('ledger', () => void (isTaken = true))
    await second.advance('30s')
    await first.crash()
    await second.advance('5s')
    expect(isTaken).toBe(false)
    await second.advance('7s')
    await taken
  },
  60_000,
)

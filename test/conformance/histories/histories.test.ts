import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptied, storeBenches } from '../support.ts'
import { history } from './command.ts'
import { prepareLooks } from './model.ts'
import { Run } from './run.ts'

const storeBench = storeBenches()

/** More of them for a long look: LEGWORK_HISTORIES=5000. A failure prints its seed and the shortest history that fails. */
const runs = Number(process.env['LEGWORK_HISTORIES'] ?? 100)

test(
  'whatever happens in whatever order: no job is lost, none ends twice, every move is allowed',
  { timeout: 60_000 + runs * 300 },
  async () => {
    const bench = await storeBench()
    await prepareLooks(bench.database)
    let dirty = false
    const property = fc.asyncProperty(history, async (commands) => {
      // A history that ended well leaves finished jobs only, which the next one does not see.
      if (dirty) await emptied(bench.database)
      dirty = true
      await Run.play(bench, commands)
      dirty = false
    })
    await expect(fc.assert(property, { numRuns: runs })).resolves.toBeUndefined()
  },
)

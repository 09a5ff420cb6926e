import { expect, onTestFinished, test } from 'vitest'
import { legwork } from '../../src/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { chaosJobs } from './chaos-jobs.ts'
import { run, type Script } from './processes.ts'

const lives = 3

test(
  'an embedded database survives kills in the midst of work: nothing accepted is lost',
  { timeout: 240_000 },
  async ({ annotate }) => {
    const folder = await temporaryFolder('chaos')
    onTestFinished(() => folder.remove())
    const data = `${folder.path}/db`
    const accepted = new Set<string>()
    const completed = new Set<string>()
    let rescued = 0
    for (let life = 1; life <= lives; life++) {
      const script = run('embedded-worker.ts', data)
      await enough(script, 40 * life)
      script.kill()
      await script.ended
      for (const id of told(script, 'accepted')) accepted.add(id)
      for (const id of told(script, 'completed')) completed.add(id)
      rescued += told(script, 'rescued').reduce((sum, n) => sum + Number(n), 0)
    }
    const lw = await legwork({ jobs: chaosJobs(async () => undefined), database: data })
    onTestFinished(() => lw.close())
    await lw.work({ stopOnSignal: false })
    const states = new Map<string, number>()
    for (const id of accepted) {
      await lw.ref(id).result({ timeout: '30s' })
      const { state } = await lw.ref(id).status()
      states.set(state, (states.get(state) ?? 0) + 1)
    }
    await annotate(
      `${lives} kills; ${accepted.size} accepted, ${completed.size} reported complete before a kill, ${rescued} rescued at once by the next process`,
    )
    expect([...states]).toEqual([['completed', accepted.size]])
    expect(
      [...completed].filter((id) => !accepted.has(id)).length,
      'completed but not yet told to be accepted',
    ).toBeLessThan(50)
    expect(rescued, 'running jobs come back although the lease is a minute').toBeGreaterThan(0)
  },
)

/** In the midst of things: many accepted, some completed. */
async function enough(script: Script, count: number): Promise<void> {
  await script.said(() => told(script, 'accepted').length >= count && told(script, 'completed').length >= count / 4)
}

function told(script: Script, word: string): string[] {
  return script.lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { run } from '../../src/cli/cli.ts'
import { job, legwork, schedule } from '../../src/index.ts'

test('an embedded database is triggered while no process has it open, and says who has it otherwise', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'legwork-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const nightly = schedule('nightly', { cron: '0 2 * * *', job: job('report') })
  const lw = await legwork({ jobs: [job('report')], schedules: [nightly], database: folder })
  const said: string[] = []
  const trigger = () =>
    run(['trigger', 'nightly', '--at', '2026-11-28T02:00Z', '--database', folder], {
      out: (text) => void said.push(text),
      err: (text) => void said.push(text),
      env: {},
      readFile: () => Promise.reject(new Error('reads no file')),
      writeFile: () => Promise.reject(new Error('writes no file')),
    })
  expect(await trigger()).toBe(5)
  await lw.close()
  expect(await trigger()).toBe(0)
  expect(await trigger()).toBe(0)
  expect(said).toEqual([
    expect.stringContaining('LW_DATABASE_LOCKED') as string,
    expect.stringContaining('Fired nightly for 2026-11-28T02:00:00.000Z') as string,
    expect.stringContaining('had fired before') as string,
  ])
}, 60_000)

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from '../../src/cli/cli.ts'
import { job, schedule } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const report = job('report', {}, () => 'done')
const nightly = schedule('nightly', { cron: '0 2 * * *', job: report })
const dynamic = schedule('dynamic', { cron: '0 2 * * *', job: report, input: () => ({ n: 1 }) })

async function world() {
  const made = await testEngine({ jobs: [report], schedules: [nightly, dynamic] })
  const url = made.database.kind === 'postgres' ? made.database.url : ''
  const legwork = async (...args: readonly string[]) => {
    const said = { out: '', err: '' }
    const code = await run(args, {
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
      env: { DATABASE_URL: url },
      readFile: () => Promise.reject(new Error('reads no file')),
      writeFile: () => Promise.reject(new Error('writes no file')),
    })
    return { code, ...said }
  }
  const count = async () => (await made.engine.list({ name: 'report' })).jobs.length
  return { ...made, url, legwork, count }
}

test('an instant fires once, without the code of its schedule, and asked again it says so and ends well', async () => {
  const { legwork, count } = await world()
  const first = await legwork('trigger', 'nightly', '--at', '2026-11-28T02:00Z')
  expect(first).toMatchObject({ code: 0, err: '' })
  const [, id = ''] = /job (\d+)$/.exec(first.out) ?? []
  const again = await legwork('trigger', 'nightly', '--at', '2026-11-28T03:00+01:00')
  expect(again).toMatchObject({ code: 0, err: '' })
  expect(again.out).toBe(`nightly had fired before for 2026-11-28T02:00:00.000Z: job ${id}`)
  expect(await count()).toBe(1)
})

test('calls with one key are one call', async () => {
  const { legwork, count } = await world()
  for (const expected of ['Fired nightly', 'nightly had fired before'])
    expect((await legwork('trigger', 'nightly', '--key', 'event 1')).out).toContain(expected)
  expect(await count()).toBe(1)
})

test('the exit code says what went wrong', async () => {
  const { legwork, engine, count } = await world()
  const misspelt = await legwork('trigger', 'nihgtly')
  expect(misspelt.code).toBe(3)
  expect(misspelt.err).toContain('nightly')
  expect(await legwork('trigger', 'dynamic')).toMatchObject({ code: 3 })
  expect(await legwork('trigger')).toMatchObject({ code: 2 })
  expect(await legwork('trigger', 'nightly', 'twice')).toMatchObject({ code: 2 })
  expect(await legwork('trigger', 'nightly', '--at', 'tonight')).toMatchObject({ code: 2 })
  expect(await legwork('trigger', 'nightly', '--on', 'monday')).toMatchObject({ code: 2 })
  await engine.schedules.pause('nightly', { reason: 'moving house' })
  const paused = await legwork('trigger', 'nightly')
  expect(paused.code).toBe(4)
  expect(paused.err).toContain('moving house')
  const nowhere = await legwork('trigger', 'nightly', '--database', 'postgres://127.0.0.1:1/nothing')
  expect(nowhere.code).toBe(5)
  expect(await count()).toBe(0)
}, 60_000)

test('as a process', async () => {
  const { url, count } = await world()
  const args = [join(root, 'src/cli/main.ts'), 'trigger', 'nightly', '--at', '2026-11-28T02:00Z', '--database', url]
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/tsx'), args, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout).toContain('Fired nightly for')
  expect(await count()).toBe(1)
}, 60_000)

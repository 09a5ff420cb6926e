import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { callOf, isolated, listening, modes, runs } from './support.ts'

test('close ends every process, busy ones too', async () => {
  const isolation = isolated({ maxProcesses: 3 })
  const busy = listening()
  const stubborn = listening()
  const started = [
    isolation.run(callOf('process', 'busy', busy.handlers)),
    isolation.run(callOf('process', 'stubborn', stubborn.handlers)),
  ]
  const place = await isolation.run(callOf('process', 'where'))
  const idle = (place as unknown as { output: { pid: number } }).output.pid
  const pids = [idle, await busy.first, await stubborn.first] as number[]
  expect(pids.map(runs)).toEqual([true, true, true])
  await isolation.close()
  expect(pids.map(runs)).toEqual([false, false, false])
  const shutdown = { ok: false, killed: 'timeout-or-cancel', error: { code: 'LW_SHUTDOWN' } }
  expect(await Promise.all(started)).toMatchObject([shutdown, shutdown])
})

test.each(modes)('after close nothing is started: %s', async (mode) => {
  const isolation = isolated()
  const heard = listening()
  const running = isolation.run(callOf(mode, 'busy', heard.handlers))
  const waiting = isolation.run(callOf(mode, 'where'))
  await heard.first
  const refused = expect(waiting).rejects.toMatchObject({ code: 'LW_CLOSED' })
  await isolation.close()
  await refused
  expect(await running).toMatchObject({ killed: 'timeout-or-cancel' })
  await expect(isolation.run(callOf(mode, 'where'))).rejects.toMatchObject({ code: 'LW_CLOSED' })
  await isolation.close()
})

test('an idle process ends by itself', async () => {
  const isolation = isolated({ idleTimeout: 0 })
  const { output } = (await isolation.run(callOf('process', 'where'))) as unknown as { output: { pid: number } }
  await expect.poll(() => runs(output.pid)).toBe(false)
  expect(await isolation.run(callOf('process', 'where'))).toMatchObject({ ok: true })
})

const tsx = import.meta.resolve('tsx')
const app = fileURLToPath(new URL('./app.ts', import.meta.url))

test.runIf(process.platform !== 'win32')(
  'processes do not outlive a parent that is killed, nor does what they started',
  async () => {
    const parent = fork(app, ['parent'], { execArgv: ['--import', tsx] })
    const [[pid, grandchild]] = (await once(parent, 'message')) as [[number, number]]
    const [busy] = (await once(parent, 'message')) as [number]
    expect([pid, grandchild, busy].map(runs)).toEqual([true, true, true])
    parent.kill('SIGKILL')
    await expect.poll(() => [pid, grandchild, busy].filter(runs), { timeout: 5_000 }).toEqual([])
  },
)

test.each(modes)('idle ones do not keep this process alive, and print to its streams: %s', async (mode) => {
  const parent = spawn(process.execPath, ['--import', tsx, app, 'print', mode], {
    env: { ...process.env, LEGWORK_ISOLATE_TEST: 'kept' },
  })
  let printed = ''
  for (const stream of [parent.stdout, parent.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const [code] = (await once(parent, 'close')) as [number]
  expect(printed).toContain('printed to stdout')
  expect(printed).toContain('printed to stderr')
  expect(printed).toContain('environment: {"ok":true,"output":"kept"}')
  expect(code).toBe(0)
})

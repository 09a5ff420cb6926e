import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { legwork } from '../../src/index.ts'
import { long } from './stopping.ts'

test('on SIGTERM a process hands its jobs back and ends by that signal', async () => {
  const database = await freshDatabase()
  if (database.kind !== 'postgres') throw new Error('This file is for the vitest project "postgres".')
  const lw = await legwork({ jobs: [long], database: database.url })
  onTestFinished(() => lw.close())
  const [running, waiting] = await lw.enqueueMany(long, [1, 2])
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('stopping.ts', import.meta.url))], {
    env: { ...process.env, DATABASE_URL: database.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  expect((await running?.status())?.state).toBe('running')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([null, 'SIGTERM'])
  expect(await running?.status()).toMatchObject({ state: 'ready', attempt: 0, crashes: 0 })
  expect((await running?.attempts())?.map(({ outcome }) => outcome)).toEqual(['released'])
  expect(await waiting?.status()).toMatchObject({ state: 'ready', attempt: 0 })
  expect((await lw.workers())[0]).toMatchObject({ state: 'stopped', pid: child.pid })
}, 60_000)

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { buildPackage, patience, runExample } from '../support/example.ts'
import { startPostgres } from '../support/postgres-server.ts'

beforeAll(buildPackage, patience)

test('--once: an instance dies, another one takes over and leaves out no day', { timeout: patience }, async () => {
  const { code, output } = await run('--once')
  expect(code, output).toBe(0)
  expect(output).toContain('Summary up to 2026-10-25T00:00:00.000Z: 144 visits, by instance 1')
  expect(output).toContain('Summary up to 2026-10-26T01:00:00.000Z: 150 visits, by instance 2')
})

test('--once with two instances on a server: each instant fires once', { timeout: patience }, async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const { code, output } = await run('--once', '--database', server.url)
  expect(code, output).toBe(0)
  const fired = output.match(/fires .*/g) ?? []
  expect(fired).toHaveLength(38)
  expect(new Set(fired).size).toBe(38)
})

test('names what is wrong with the command line', { timeout: patience }, async () => {
  expect(await run('--twice')).toMatchObject({ code: 2, output: expect.stringContaining('--twice') })
})

async function run(...args: string[]): Promise<{ code: number; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'legwork-schedules-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return runExample('schedules', folder, args)
}

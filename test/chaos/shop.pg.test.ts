import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../support/postgres-server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

test('a storm of 60 orders: workers are killed, and all books agree to the cent', { timeout: 300_000 }, async () => {
  await run(process.execPath, ['scripts/setup.mjs', '--build'], { cwd: root }) // the example imports what is built
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const env = { ...process.env, DATABASE_URL: server.url }
  const line = ['--import', 'tsx', 'examples/shop/main.ts', '--storm', '60']

  const { stdout } = await run(process.execPath, line, { cwd: root, env, timeout: 240_000 })

  expect(Number(/(\d+) workers were killed/.exec(stdout)?.[1])).toBeGreaterThan(0)
  expect(stdout).toContain('✓ Orders: 60 placed, ')
  expect(stdout).toMatch(/✓ Money: [\d.]+ € charged − [1-9][\d.]* € refunded/)
  expect(stdout).toContain('All books agree.')
})

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../support/postgres-server.ts'
import { withConnection } from '../support/postgres.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

beforeAll(async () => {
  await run(process.execPath, ['scripts/setup.mjs', '--build'], { cwd: root }) // the example imports what is built
}, 120_000)

test('a storm of 60 orders: workers are killed, and all books agree to the cent', { timeout: 300_000 }, async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const env = { ...process.env, DATABASE_URL: server.url }
  const line = ['--import', 'tsx', 'examples/shop/main.ts', '--storm', '60']

  const { stdout } = await run(process.execPath, line, { cwd: root, env, timeout: 240_000 })

  expect(Number(/(\d+) workers were killed/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(8)
  expect(stdout).toContain('✓ Orders: 60 placed, ')
  expect(stdout).toMatch(/✓ Money: [\d.]+ € charged − [1-9][\d.]* € refunded/)
  expect(stdout).toContain('All books agree.')
})

test(
  'Ctrl-C ends a storm: it says what it stopped, and leaves neither processes nor a database',
  { timeout: 120_000 },
  async () => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const env = { ...process.env, DATABASE_URL: server.url }
    const line = ['--import', 'tsx', 'examples/shop/main.ts', '--storm', '2000']
    const child = spawn(process.execPath, line, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const said: string[] = []
    const lines = createInterface({ input: child.stdout })
    const closed = once(child, 'close')
    for await (const text of lines) {
      said.push(text)
      if (text.includes('processing')) child.kill('SIGINT')
    }

    expect((await closed)[0]).toBe(130)
    expect(said.join('\n')).toMatch(/Stopping\.\n(.*\n)*Workers, payment and mail are stopped/)
    const left =
      "select datname as what from pg_database where datname like 'shop%' union all select query from pg_stat_activity where datname like 'shop%'"
    expect(await withConnection(server.url, async (client) => (await client.query(left)).rows)).toEqual([])
  },
)

import { exitOnError, run } from './process.mjs'
import { setup } from './setup.mjs'

async function schedules() {
  await setup({ build: true })
  const main = ['--import', 'tsx', 'examples/schedules/main.ts', ...process.argv.slice(2)]
  const { code } = await run(process.execPath, main, { show: true })
  process.exitCode = code
}

schedules().catch(exitOnError)

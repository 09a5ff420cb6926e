import { bin, exitOnError, run } from './process.mjs'
import { setup } from './setup.mjs'

async function start() {
  await setup({ build: true })
  const { code } = await run(bin('tsx'), ['examples/thumbnails/main.ts', ...process.argv.slice(2)], { show: true })
  process.exitCode = code
}

start().catch(exitOnError)

import { exitOnError, run } from './process.mjs'
import { setup } from './setup.mjs'

async function shop() {
  await setup({ build: true })
  const main = ['--import', 'tsx', 'examples/shop/main.ts', ...process.argv.slice(2)]
  const { code } = await run(process.execPath, main, { show: true })
  process.exitCode = code
}

shop().catch(exitOnError)

import { bin, exitOnError, run } from './process.mjs'
import { setup } from './setup.mjs'

const tool = (name, ...args) => [bin(name), args]
const script = (name, ...args) => [process.execPath, [`scripts/${name}.mjs`, ...args]]

/** Everything that must hold besides the tests, from the fastest to the slowest. A later step may need `build`. */
const steps = {
  format: tool('oxfmt', '--check'),
  lint: tool('oxlint'),
  types: tool('tsc', '--noEmit'),
  unused: tool('knip', '--treat-config-hints-as-errors'),
  imports: tool('vitest', 'run', '--project', 'pure', 'test/package/imports.test.ts'),
  build: script('build'),
  publint: tool('publint', '--strict'),
  exports: tool('attw', '--pack', '.', '--profile', 'esm-only'),
  smoke: script('smoke'),
}

async function check(names) {
  // Types, lint and examples read the package as it is built.
  await setup({ build: true })
  const unknown = names.filter((name) => !Object.hasOwn(steps, name))
  if (unknown.length > 0)
    throw new Error(`Unknown step ${unknown.join(', ')}. Steps: ${Object.keys(steps).join(', ')}.`)
  const chosen = names.length > 0 ? names : Object.keys(steps)
  let failed = 0
  for (const name of chosen) failed += (await passes(name)) ? 0 : 1
  console.log(failed === 0 ? 'All good.' : `${failed} of ${chosen.length} steps failed.`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function passes(name) {
  const [command, args] = steps[name]
  const start = performance.now()
  const { code, output } = await run(command, args, { env: { NO_COLOR: '1' } })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${code === 0 ? '✓' : '✗'} ${name.padEnd(8)} ${seconds.padStart(5)} s`)
  if (code !== 0) console.log(`\n${output.trim()}\n`)
  return code === 0
}

check(process.argv.slice(2)).catch(exitOnError)

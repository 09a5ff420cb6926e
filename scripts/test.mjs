import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bin, exitOnError, run } from './process.mjs'
import { setup } from './setup.mjs'

/** Runs every vitest project in one process and ends with one line that a person or a program can read. */
async function test(args) {
  await setup({ build: true }) // the tests of examples import the package as its users do
  const folder = mkdtempSync(join(tmpdir(), 'legwork-tally-'))
  try {
    const file = join(folder, 'tally.json')
    const reporters = ['--reporter=default', '--reporter=./scripts/tally-reporter.mjs']
    const { code } = await run(bin('vitest'), ['run', ...reporters, ...args], {
      show: true,
      env: { LEGWORK_TALLY: file },
    })
    const tally = settle(readTally(file), code)
    console.log(`\n${sentence(tally)}`)
    process.exitCode = tally.failed > 0 ? code || 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readTally(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}

// A crash, an error outside a test and a run of nothing are failures too, although no test reports them.
function settle(tally, code) {
  const ranNothing = tally.passed + tally.failed === 0
  const failed = tally.failed === 0 && (code !== 0 || ranNothing) ? 1 : tally.failed
  return { ...tally, failed }
}

function sentence({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

test(process.argv.slice(2)).catch((error) => {
  exitOnError(error)
  console.log('\n0 passed, 1 failed')
})

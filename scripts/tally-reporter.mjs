import { writeFileSync } from 'node:fs'

/** Counts what ran, for the last line of `npm test`. */
export default class TallyReporter {
  onTestRunEnd(modules, errors) {
    const tally = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) count(module, tally)
    writeFileSync(process.env.LEGWORK_TALLY, JSON.stringify(tally))
  }
}

function count(module, tally) {
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    tally[state === 'passed' || state === 'failed' ? state : 'skipped'] += 1
  }
  // A file that cannot be loaded, or a hook that fails, belongs to no test.
  for (const suite of [module, ...module.children.allSuites()]) tally.failed += suite.errors().length
}

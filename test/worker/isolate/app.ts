// A program of its own, for tests of what happens when the program ends.
import { createIsolation } from '../../../src/worker/isolate/isolation.ts'
import type { IsolatedCall } from '../../../src/worker/isolate/isolation.ts'

const [, , what, mode] = process.argv
const isolation = createIsolation({ maxThreads: 2, maxProcesses: 2 })

const noEngine = () => Promise.reject(new Error('There is no engine beside these calls.'))

const call = (job: string, onProgress: (value: unknown) => void = () => {}): IsolatedCall => ({
  mode: mode === 'thread' ? 'thread' : 'process',
  module: new URL('./jobs.ts', import.meta.url).href,
  job,
  input: null,
  facts: {},
  context: { lock: noEngine, slowDown: noEngine, schedule: undefined },
  signal: new AbortController().signal,
  killAfter: 1_000,
  onProgress,
  onLog: () => {},
})

if (what === 'parent') {
  void isolation.run(
    call('parent', (pids) => {
      process.send?.(pids)
      void isolation.run(call('busy', (pid) => process.send?.(pid)))
    }),
  )
} else {
  await isolation.run(call('prints'))
  const outcome = await isolation.run(call('environment'))
  process.stdout.write(`environment: ${JSON.stringify(outcome)}\n`)
}

import { writeSync } from 'node:fs'
import { job, legwork } from '../../src/index.ts'

/** Never ends by itself. */
export const long = job('long', {}, async ({ signal }) => {
  writeSync(1, 'started\n')
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  throw signal.reason
})

/** Run as a process of its own: works until a signal comes. */
if (process.argv[1] === import.meta.filename) {
  const lw = await legwork({ jobs: [long] })
  await lw.work({ stopOnSignal: '100ms', concurrency: 1 })
}

import { writeSync } from 'node:fs'
import pg from 'pg'
import { legwork } from '../../../src/index.ts'
import { pausedJobs } from './paused-jobs.ts'

// A worker that stops in the middle of a job, at once and as a whole, as a machine does that is put to sleep. When it
// goes on, the next that it does is what it was about to do: nothing has told it yet how late it is.
const url = process.argv[2] ?? ''
const pool = new pg.Pool({ connectionString: url, max: 1 })
const pause = () => {
  writeSync(1, 'pausing\n')
  process.kill(process.pid, 'SIGSTOP')
}
const lw = await legwork({ jobs: Object.values(pausedJobs('first', pool, pause)), database: { url, connections: 3 } })
lw.on('lost', ({ name }) => process.stdout.write(`lost ${name}\n`))
await lw.work({ lease: '1s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

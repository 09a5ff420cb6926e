import pg from 'pg'
import { legwork } from '../../src/index.ts'
import { sagaJobs } from './saga-jobs.ts'

// A worker process with a short lease, so that the test need not wait long for a rescue.
const url = process.argv[2] ?? ''
const pool = new pg.Pool({ connectionString: url, max: 4 })
const lw = await legwork({ jobs: sagaJobs(pool).all, database: { url, connections: 3 } })
lw.on('error', ({ during, error }) => process.stdout.write(`error ${during}: ${String(error)}\n`))
await lw.work({ concurrency: 8, lease: '2s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

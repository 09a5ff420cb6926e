import pg from 'pg'
import { legwork } from '../../src/index.ts'
import { limitedJob } from './limits-jobs.ts'

const url = process.argv[2] ?? ''
const pool = new pg.Pool({ connectionString: url, max: 10 })
const lw = await legwork({ jobs: [limitedJob(pool)], database: { url, connections: 3 } })
lw.on('error', ({ during, error }) => process.stdout.write(`error ${during}: ${String(error)}\n`))
await lw.work({ concurrency: 8, lease: '2s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

import pg from 'pg'
import { legwork } from '../../src/index.ts'
import { chaosJobs, noteIn } from './chaos-jobs.ts'

// A worker process as users start one, with a short lease so that the test need not wait long for a rescue.
const url = process.argv[2] ?? ''
const pool = new pg.Pool({ connectionString: url, max: 4 })
pool.on('error', () => undefined)
pool.on('connect', (client) => client.on('error', () => undefined))
const lw = await legwork({ jobs: chaosJobs(noteIn(pool)), database: { url, connections: 3 } })
lw.on('rescued', (rescued) => process.stdout.write(`rescued ${JSON.stringify(rescued)}\n`))
lw.on('error', ({ during, error }) => process.stdout.write(`error ${during}: ${String(error)}\n`))
lw.on('lost', ({ id }) => process.stdout.write(`lost ${id}\n`))
await lw.work({ concurrency: 8, lease: '2s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

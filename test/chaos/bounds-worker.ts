import { legwork } from '../../src/index.ts'
import { latest, load, queues } from './bounds-jobs.ts'

const lw = await legwork({ jobs: [load, latest], queues, database: { url: process.argv[2] ?? '', connections: 3 } })
lw.on('error', ({ during, error }) => process.stdout.write(`error ${during}: ${String(error)}\n`))
await lw.work({ concurrency: 4, lease: '2s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

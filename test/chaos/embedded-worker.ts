import { legwork } from '../../src/index.ts'
import { chaosJobs } from './chaos-jobs.ts'

// Opens the embedded database in a folder, adds jobs as fast as they are accepted and works on them, until it is killed.
const lw = await legwork({ jobs: chaosJobs(async () => undefined), database: process.argv[2] ?? '' })
lw.on('rescued', ({ returned }) => process.stdout.write(`rescued ${returned}\n`))
lw.on('completed', ({ id }) => process.stdout.write(`completed ${id}\n`))
await lw.work({ concurrency: 5, lease: '60s', poll: '100ms', stopOnSignal: false })
process.stdout.write('working\n')
for (let n = 0; ; n++) {
  const name = ['plain', 'keyed', 'working', 'retrying'][n % 4] ?? 'plain'
  const ref = await lw.enqueue(name, { n }, n % 4 === 1 ? { key: `k${n % 3}` } : {})
  process.stdout.write(`accepted ${ref.id}\n`)
}

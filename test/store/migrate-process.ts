import { once } from 'node:events'
import { LegworkError } from '../../src/index.ts'
import { openStore } from '../../src/store/open.ts'
import { newJob } from '../conformance/support.ts'

// Opens the store, brings the schema up to date with everybody else, adds a job and claims it.
const store = await openStore(process.argv[2])
process.stdout.write('ready\n')
await once(process.stdin, 'data')
try {
  process.stdout.write(`applied ${(await store.migrate()).length}\n`)
  const [added] = await store.enqueue([newJob()])
  process.stdout.write(`added ${(await store.find(added?.id ?? ''))?.state}\n`)
} catch (error) {
  process.stdout.write(`failed ${error instanceof LegworkError ? error.message : String(error)}\n`)
} finally {
  await store.close()
  process.stdin.destroy()
}

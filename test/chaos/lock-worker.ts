import pg from 'pg'
import { legwork } from '../../src/index.ts'
import { writeWith } from './lock-ledger.ts'

const url = process.argv[2] ?? ''
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const pool = new pg.Pool({ connectionString: url, max: 2 })
const lw = await legwork({ jobs: [], database: { url, connections: 3 } })

/** Holds the lock for ever, and writes at every word of its standard input, whether or not its signal has aborted. */
await lw.lock('ledger', { lease: '2s' }, async ({ token, signal }) => {
  signal.addEventListener('abort', () => say(`aborted ${(signal.reason as { code: string }).code}`))
  process.stdin.on('data', () => void writeWith(pool, token).then((wrote) => say(wrote ? 'wrote' : 'refused')))
  say(`token ${token}`)
  await new Promise(() => undefined)
})

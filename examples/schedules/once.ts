import { createTestEngine, type TestEngine } from 'legwork/testing'
import { schema, siteOf, type Transaction } from './site.ts'

/** The Saturday before the night in which Berlin's clocks go back: of the two summaries to come one is of 25 hours. */
const start = new Date('2026-10-24T18:00:00Z')
const half = 18
/** Hours in which nobody works, on a database that only one process can have. */
const away = 4

/**
 * A day and a half on a clock that is moved. On a server two instances run side by side; the embedded database belongs to
 * one process, so there the first one dies and the second one comes later. Returns the exit code.
 * @param server the URL of an empty database, of which nobody else is a user: it gets the moved clock
 */
export async function simulate(server: string | undefined): Promise<number> {
  const first = await startInstance('instance 1', (site) =>
    createTestEngine({ ...site, start, work: false, ...(server !== undefined && { database: server }) }),
  )
  await first.engine.transaction(fill)
  const another = () => startInstance('instance 2', (site) => first.another({ ...site, work: false }))
  if (server !== undefined) {
    const second = await another()
    await second.advance(`${2 * half}h`)
    return audit(second)
  }
  await first.advance(`${half}h`)
  await first.crash()
  console.log('instance 1 has died')
  await first.clock.advance(`${away}h`)
  const second = await another()
  await second.advance(`${half - away}h`)
  return audit(second)
}

async function startInstance(
  name: string,
  open: (site: ReturnType<typeof siteOf>) => Promise<TestEngine>,
): Promise<TestEngine> {
  const opened: TestEngine = await open(siteOf(name, (work) => opened.engine.transaction(work)))
  const { engine } = opened
  engine.on('fired', ({ schedule, nominal, kind }) =>
    console.log(`${name} fires ${schedule} of ${nominal.toISOString()}${kind === 'catchUp' ? ', late' : ''}`),
  )
  engine.on('missed', ({ schedule, count, reason }) => console.log(`${name}: ${schedule} missed ${count}: ${reason}`))
  engine.on('error', ({ during, error }) => console.error(`${name}, ${during}:`, error))
  await engine.work({ stopOnSignal: false }) // not before it is listened to
  return opened
}

/** A visit and the end of a session every ten minutes. */
async function fill(tx: Transaction): Promise<void> {
  for (const statement of schema) await tx.query(statement, [])
  const instants = `generate_series($1::timestamptz - interval '1 day', $1::timestamptz + interval '2 days', interval '10 minutes') at`
  await tx.query(`insert into site.visit (at) select at from ${instants}`, [start.toISOString()])
  await tx.query(`insert into site.session (expires_at) select at from ${instants}`, [start.toISOString()])
}

/** Whether each day has its summary with all visits, and no session is left that expired before the last cleaning. */
async function audit(left: TestEngine): Promise<number> {
  const { engine } = left
  const end = new Date(start.getTime() + (2 * half - 1) * 3_600_000)
  const [summaries, [old]] = await engine.transaction(async (tx) => [
    await tx.query('select ends::text as ends, visits, author from site.summary order by ends', []),
    await tx.query('select count(*)::int as n from site.session where expires_at < $1::timestamptz', [
      end.toISOString(),
    ]),
  ])
  for (const { ends, visits, author } of summaries)
    console.log(`Summary up to ${new Date(String(ends)).toISOString()}: ${String(visits)} visits, by ${String(author)}`)
  for (const { id, runs, missed } of await engine.schedules.list()) console.log(`${id}: ${runs} runs, ${missed} missed`)
  console.log(`${String(old?.['n'])} sessions are left that should be gone`)
  await left.close()
  const isRight = summaries.map(({ visits }) => visits).join() === '144,150' && old?.['n'] === 0
  console.log(isRight ? 'All is as it should be.' : 'Something is wrong.')
  return isRight ? 0 : 1
}

import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { legwork, LegworkError } from 'legwork'
import { simulate } from './once.ts'
import { schema, siteOf } from './site.ts'

const help = `
Usage: npm run schedules -- [options]

A daily summary at 02:00 in Berlin and an hourly cleaning, fired by every instance that
runs. Start it twice with DATABASE_URL set: each instant fires once all the same.

  --once            a day and a half on a clock that is moved, then exit: 0 when all is right
  --database URL    for --once: an empty PostgreSQL database of its own, for two instances
  --help            print this

Without --once everything is kept in DATABASE_URL, or in .legwork/schedules.
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { once: { type: 'boolean' }, database: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) console.log(help.trim())
  else if (values.once) return simulate(values.database)
  else await serve()
  return 0
}

/** An instance with the clock of the database, until it is told to stop. */
async function serve(): Promise<void> {
  const name = `instance ${process.pid}`
  const { jobs, schedules } = siteOf(name, (work) => lw.transaction(work))
  const lw = await legwork({ jobs, schedules, database: process.env['DATABASE_URL'] || '.legwork/schedules' })
  await lw.transaction(async (tx) => {
    for (const statement of schema) await tx.query(statement, [])
  })
  lw.on('fired', ({ schedule, nominal }) => console.log(`${name} fires ${schedule} of ${nominal.toISOString()}`))
  lw.on('error', ({ during, error }) => console.error(`${during}:`, error))
  for (const { id, description, next } of await lw.schedules.list())
    console.log(`${id}: ${description} Next: ${next?.toISOString() ?? 'never'}`)
  await lw.work({ stopOnSignal: false })
  console.log('Press Ctrl-C to stop')
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await lw.close()
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof LegworkError ? error.message : error)
  process.exitCode = error instanceof TypeError ? 2 : 1
}

import { instantOfText } from '../core/instant.ts'
import { LegworkError } from '../core/errors.ts'
import { legwork } from '../open.ts'
import { type Command, UsageError } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { argsOf } from './args.ts'

const help = `Usage: legwork trigger <schedule> [--at <instant>] [--database <url>]

Runs a schedule for an instant, once: called again with the same instant, it says so and ends well.

  --at <instant>    the nominal instant, such as 2026-11-28T02:00Z; default: now, so that each call runs it
  --database <url>  postgres://…, or the folder of an embedded database; default: DATABASE_URL, else .legwork/db
  --key <text>      makes calls without --at the same call for seven days, such as the id of an event

Exit codes: 0 fired now or before, 2 wrong use, 3 no such schedule, 4 the schedule is paused or has ended,
5 the database cannot be reached, 1 anything else.`

/** `legwork trigger`: for cron and other schedulers outside. */
export const trigger: Command = {
  name: 'trigger',
  summary: 'run a schedule, once per instant',
  help,
  run: async (args, terminal) => {
    const { values, positionals } = argsOf(args, {
      at: { type: 'string' },
      database: { type: 'string' },
      key: { type: 'string' },
    })
    const [id, ...more] = positionals
    if (id === undefined || more.length > 0) throw new UsageError('Name one schedule.')
    const at = values.at === undefined ? undefined : instantOfText(values.at, '--at')
    const database = values.database ?? terminal.env['DATABASE_URL']
    const lw = await legwork({ jobs: [], ...(database !== undefined && { database }) })
    try {
      const { state, pause } = await lw.schedules.get(id)
      if (state !== 'active') {
        const reason = pause?.reason === undefined ? '' : `: ${pause.reason}`
        terminal.err(`legwork: Schedule ${id} ${state === 'paused' ? 'is paused' : 'has ended'}${reason}.`)
        return exitCodes.refused
      }
      const key = values.key
      const ref = await lw.schedules.run(id, { ...(at && { at }), ...(key !== undefined && { idempotencyKey: key }) })
      const when = at ? ` for ${at.toISOString()}` : ''
      terminal.out(ref.created ? `Fired ${id}${when}: job ${ref.id}` : `${id} had fired before${when}: job ${ref.id}`)
      return exitCodes.done
    } catch (error) {
      if (!(error instanceof LegworkError && error.code === 'LW_JOB_STATE')) throw error
      terminal.err(`legwork: ${error.message}`)
      return exitCodes.refused
    } finally {
      await lw.close()
    }
  },
}

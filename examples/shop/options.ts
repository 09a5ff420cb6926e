import { parseArgs } from 'node:util'
import { UsageError } from '../support/program.ts'

export const help = `
Usage: npm run shop -- [options]

A small shop whose orders are durable jobs, on a page of its own.

  --once      place one order, print how it went and exit
  --storm N   place N orders, kill worker processes at random meanwhile, and compare
              all books at the end: exit 0 when they agree, 1 when not
  --help      print this

Everything is kept in .legwork/shop. Set DATABASE_URL to use a PostgreSQL server instead of
the embedded database. A storm needs PostgreSQL and starts one of its own without that.
`

export interface Options {
  readonly once: boolean
  /** How many orders. */
  readonly storm: number | undefined
  readonly help: boolean
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options {
  const values = parse(args)
  const storm = values.storm === undefined ? undefined : Number(values.storm)
  if (storm !== undefined && !(Number.isInteger(storm) && storm >= 1 && storm <= 10_000))
    throw new UsageError(`--storm takes a number of orders from 1 to 10000, not ${values.storm}.`)
  if (storm !== undefined && values.once) throw new UsageError('Either --once or --storm, not both.')
  return { once: values.once, storm, help: values.help }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean', default: false },
        storm: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\nTry --help.`)
  }
}

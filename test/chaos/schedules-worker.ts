/** A process whose own clock is wrong by so many milliseconds. */
const skew = Number(process.argv[3])
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...given: [] | [string | number | Date]) {
    super(given.length === 0 ? RealDate.now() + skew : given[0])
  }
  static override now(): number {
    return RealDate.now() + skew
  }
} as DateConstructor

const { legwork } = await import('../../src/index.ts')
const { noted, schedules } = await import('./schedules-jobs.ts')
const url = process.argv[2] ?? ''
const retention = { age: '90d' } as const
const lw = await legwork({ jobs: [noted], schedules, retention, database: { url, connections: 2 } })
lw.on('error', ({ during, error }) => process.stdout.write(`error ${during}: ${String(error)}\n`))
await lw.work({ concurrency: 20, lease: '5s', poll: '200ms', stopOnSignal: false })
process.stdout.write('working\n')

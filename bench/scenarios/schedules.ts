import { setTimeout as sleep } from 'node:timers/promises'
import type { Legwork } from 'legwork'
import { type Run, now, type Scenario } from '../scenario.ts'
import { countStatements, total } from '../statements.ts'

/** How many schedules there are. */
const many = 10_000
/** Seconds of rest that are watched. */
const watched = 30

export const schedules: Scenario = {
  name: 'schedules',
  title: '10,000 schedules',
  peers: ['legwork'],
  metrics: {
    'schedules/save': { title: 'first start, which saves them', unit: 's', better: 'less' },
    'schedules/start': { title: 'a start that finds them as they are', unit: 's', better: 'less' },
    'schedules/rest/statements': { title: 'statements of a worker at rest', unit: 'per minute', better: 'less' },
    'schedules/rest/of-schedules': { title: 'of these about schedules', unit: 'per minute', better: 'less' },
    'schedules/rest/node': { title: 'CPU of Node at rest', unit: 'ms/minute', better: 'less' },
    'schedules/rest/server': { title: 'CPU of the server at rest', unit: 'ms/minute', better: 'less' },
    'schedules/fire': { title: 'all due at once: fired', unit: 'per second', better: 'more' },
    'schedules/run': { title: 'all due at once: fired and run', unit: 'per second', better: 'more' },
  },
  cases: {
    async rest(run) {
      const save = await timed(async () => (await open(run)).close())
      const start = await timed(async () => (await open(run)).close())
      const lw = await open(run)
      await lw.work({ stopOnSignal: false })
      await sleep(5_000) // the chores of the beginning are over
      const sent = countStatements()
      const meter = await run.meter()
      await sleep(watched * 1_000)
      const { nodeCpu, serverCpu, seconds } = await meter.stop()
      const perMinute = 60 / seconds
      const aboutSchedules = Object.entries(sent).filter(([name]) => name.startsWith('lw_schedule'))
      await lw.close()
      return {
        'schedules/save': save,
        'schedules/start': start,
        'schedules/rest/statements': total(sent) * perMinute,
        'schedules/rest/of-schedules': total(Object.fromEntries(aboutSchedules)) * perMinute,
        'schedules/rest/node': nodeCpu * 1_000 * perMinute,
        ...(serverCpu !== undefined && { 'schedules/rest/server': serverCpu * 1_000 * perMinute }),
      }
    },
    async fire(run) {
      const lw = await open(run)
      await run.query(`update legwork.schedule set next_at = legwork.now(), due_at = legwork.now()`)
      let [fired, completed] = [0, 0]
      const ends = { fired: 0, completed: 0 }
      lw.on('fired', () => (++fired === many ? (ends.fired = now()) : 0))
      const done = new Promise<void>((resolve) => {
        lw.on('completed', () => {
          if (++completed < many) return
          ends.completed = now()
          resolve()
        })
      })
      const began = now()
      await lw.work({ concurrency: run.sizes.concurrency, stopOnSignal: false })
      await done
      await lw.close()
      return {
        'schedules/fire': (many / (ends.fired - began)) * 1_000,
        'schedules/run': (many / (ends.completed - began)) * 1_000,
      }
    },
  },
}

/** On the first of January only, so that none is due while it is measured. */
async function open(run: Run): Promise<Legwork> {
  const { job, legwork, schedule } = await import('legwork')
  const noop = job('bench.scheduled', {}, async () => undefined)
  const all = Array.from({ length: many }, (_, n) =>
    schedule(`schedule-${n}`, {
      cron: `${n % 60} ${n % 24} 1 1 *`,
      timezone: 'Europe/Berlin',
      job: noop,
      input: { n },
    }),
  )
  return legwork({ jobs: [noop], schedules: all, database: run.place.url })
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = now()
  await work()
  return (now() - began) / 1_000
}

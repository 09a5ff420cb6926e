import { expect, onTestFinished, test } from 'vitest'
import { legwork } from '../../../src/index.ts'
import { run } from '../../chaos/processes.ts'
import { freshDatabase } from '../../support/database.ts'
import { openPool } from '../../support/pool.ts'
import { databaseOption } from '../../conformance/support.ts'
import { type Moment, pausedJobs } from './paused-jobs.ts'

const expected = {
  step: {
    deeds: ['first: charge', 'second: charge', 'second: after it'],
    state: 'completed',
    steps: [{ name: 'charge', state: 'done', output: 'second' }],
    told: [],
  },
  settle: {
    deeds: ['first: charge'],
    state: 'completed',
    steps: [{ name: 'charge', state: 'done' }],
    told: [],
  },
  undo: {
    deeds: ['first: charge', 'first: refund', 'second: refund'],
    state: 'compensated',
    steps: [{ name: 'charge', state: 'done' }],
    told: [],
  },
  progress: {
    deeds: ['first: import', 'second: import'],
    state: 'completed',
    steps: [],
    told: ['{"by":"second"}', 'told by second'],
  },
} as const satisfies Record<Moment, object>

test.each(Object.keys(expected) as Moment[])(
  'two workers, one of which is paused (SIGSTOP) and wakes late: it writes nothing (%s)',
  { timeout: 60_000 },
  async (moment) => {
    const database = await freshDatabase()
    if (database.kind !== 'postgres') throw new Error('needs two processes')
    await database.query('create table deed (what text)')
    const pool = openPool(database.url)
    const jobs = pausedJobs('second', pool, () => undefined)
    const lw = await legwork({ jobs: Object.values(jobs), database: databaseOption(database) })
    onTestFinished(() => lw.close({ timeout: 0 }))
    const paused = run('../workflow/windows/paused-worker.ts', database.url)
    await paused.said('working')
    const ref = await lw.enqueue(moment)
    await paused.said('pausing')

    await lw.work({ lease: '1s', poll: '200ms', stopOnSignal: false })
    await ref.result().catch(() => undefined)
    paused.kill('SIGCONT')
    await paused.said(`lost ${moment}`)

    const told: string[] = []
    for await (const event of ref.events()) {
      if (event.type === 'progress') told.push(JSON.stringify(event.value))
      if (event.type === 'log') told.push(event.message)
    }
    const { state } = await ref.status()
    const deeds = (await database.query<{ what: string }>('select what from deed')).map(({ what }) => what)
    const found = { deeds, state, steps: await ref.steps(), told }
    expect(found).toMatchObject(expected[moment])
    if (state === 'completed') expect(await ref.result()).toBe('second')
    else expect(await ref.undos()).toMatchObject([{ step: 'charge', state: 'done' }])
    paused.kill()
    await paused.ended
  },
)

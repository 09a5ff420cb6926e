import { expect, onTestFinished, test } from 'vitest'
import { legwork } from '../../src/index.ts'
import { freshDatabase } from '../support/database.ts'
import { failureOf } from '../support/failure.ts'
import { openPool } from '../support/pool.ts'
import { depth, depthPerTenant, latest, load, queues, tenants, watch } from './bounds-jobs.ts'
import { run, type Script, until } from './processes.ts'

const total = 400
const pace = 50

test(
  'producers and workers that are killed: a bounded queue never holds too many, and what it has accepted is not lost',
  { timeout: 240_000 },
  async () => {
    const database = await freshDatabase()
    if (database.kind !== 'postgres') throw new Error('this test needs a server')
    const pool = openPool(database.url)
    const rows = async (sql: string) => (await pool.query<Record<string, unknown>>(sql)).rows
    await pool.query(watch)
    const lw = await legwork({ jobs: [load, latest], queues, database: database.url })
    onTestFinished(() => lw.close())

    const start = (script: 'worker' | 'producer-process') => run(`bounds-${script}.ts`, database.url)
    const producers = [start('producer-process'), start('producer-process')]
    const workers = [start('worker'), start('worker')]
    const all = [...producers, ...workers]
    const replace = (living: Script[], script: 'worker' | 'producer-process') => {
      living.shift()?.kill()
      const next = start(script)
      living.push(next)
      all.push(next)
    }
    await Promise.all(all.map((script) => script.said((line) => line === 'working' || line === 'producing')))
    for (let next = pace, turn = 0; next <= total; next += pace, turn++) {
      await until(`${next} jobs completed`, async () => {
        const [row] = await rows('select count(*)::int as n from legwork.finished where state = 10')
        return Number(row?.['n']) >= next
      })
      if (turn % 2 === 0) replace(producers, 'producer-process')
      else replace(workers, 'worker')
    }
    for (const script of producers) script.kill()
    await Promise.all(producers.map(({ ended }) => ended))
    await until('the queues are empty', async () => (await rows('select from legwork.job limit 1')).length === 0)

    expect(await rows('select * from violation')).toEqual([])
    const accepted = all.flatMap(({ lines }) =>
      lines.filter((line) => /^accepted [\d ]+$/.test(line)).flatMap((line) => line.split(' ').slice(1)),
    )
    expect(accepted.length).toBeGreaterThan(total / 2)
    const ended = await rows('select id::text, state, reason from legwork.finished')
    const endOf = new Map(ended.map(({ id, state, reason }) => [id, reason ?? state]))
    const ends = new Set(accepted.map((id) => String(endOf.get(id))))
    expect([...ends].toSorted()).toEqual(['10', 'shed: latest was full'])

    const counted = await rows(`
      select b.name, u.instance as value, u.accepted::int, u.dropped::int as shed
        from legwork.bound_use u join legwork.bound b on b.id = u.bound_id where u.accepted > 0 order by 1, 2`)
    const shed = `count(*) filter (where f.reason like 'shed:%')::int`
    const stored = await rows(`
      select q.name, '' as value, count(*)::int as accepted, ${shed} as shed
        from legwork.finished f join legwork.queue q on q.id = f.queue_id group by q.name
      union all
      select 'load per tenant', f.headers->>'tenant', count(*)::int, 0 from legwork.finished f where f.headers ? 'tenant' group by 2
       order by 1, 2`)
    expect(counted).toEqual(stored)
    expect(counted).toHaveLength(2 + tenants.length)

    for (const script of workers) script.kill()
    await Promise.all(workers.map(({ ended: dead }) => dead))
    const room = tenants.flatMap((tenant) => Array.from({ length: depthPerTenant }, () => tenant)).slice(0, depth)
    await lw.enqueueMany(load, room, (tenant) => ({ headers: { tenant: String(tenant) } }))
    expect(await failureOf(lw.enqueue(load, 'one more'))).toMatchObject({
      code: 'LW_QUEUE_FULL',
      details: { held: depth },
    })
  },
)

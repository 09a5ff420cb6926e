import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { crashAndReplace, gate, testEngine } from '../support/engine.ts'

test('hole: the tries of a step outlive a crash', async () => {
  const attempts: number[] = []
  const order = job('order', {}, ({ step }) =>
    step(
      'call',
      ({ attempt }) => {
        attempts.push(attempt)
        if (attempt < 4) throw new Error('no')
        return 'yes'
      },
      { retry: { attempts: 4, backoff: 'fixed', first: '1m' } },
    ),
  )
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('70s')
  const two = await crashAndReplace(one)
  await two.advance('5m')
  expect(await two.engine.ref(id).result()).toBe('yes')
  expect(attempts).toEqual([1, 2, 3, 4])
})

test('a process that was declared dead while it was paused cannot write a step', async () => {
  const door = gate()
  const ran: string[] = []
  let isFirst = true
  const order = job('order', {}, async ({ step }) => {
    const mine = isFirst ? 'first' : 'second'
    isFirst = false
    const result = await step('who', async () => {
      if (mine === 'first') await door.opened
      return mine
    })
    ran.push(`${mine} saw ${result}`)
    return result
  })
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('1s')
  const [job1] = await one.database.query<{ worker_id: number }>('select worker_id from legwork.job')
  await one.database.query(
    `update legwork.worker set beat_at = beat_at - interval '1 hour' where id = ${job1!.worker_id}`,
  )
  await one.database.query(
    `update legwork.job set worker_id = null, claim = claim + 1, seq = nextval('legwork.job_seq')`,
  )
  await one.advance('2s')
  door.open()
  await one.advance('30s')
  expect(await one.engine.ref(id).result()).toBe('second')
  expect(ran).toEqual(['second saw second'])
})

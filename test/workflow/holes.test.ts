import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { crashAndReplace, testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

// What other engines get wrong, as tests. More of them stand beside what they are about: look for "hole:".

test('hole: a catch and a finally around a wait for a signal hear nothing of it while the job is parked', async () => {
  const heard: string[] = []
  const order = job('order', {}, async ({ waitFor }) => {
    try {
      return await waitFor('paid')
    } catch {
      heard.push('catch')
    } finally {
      heard.push('finally')
    }
    return undefined
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('1h')
  expect((await ref.status()).state).toBe('waiting')
  expect(heard).toEqual([])
  await ref.signal('paid', 7)
  await advance('1m')
  expect(await ref.result()).toBe(7)
  expect(heard).toEqual(['finally'])
})

test('hole: jobs that sleep for a month, or wait to be tried again, leave the only place of a worker to others', async () => {
  const sleeper = job('sleeper', {}, ({ sleep }) => sleep('30d'))
  const failing = job('failing', {}, ({ step }) =>
    step('call', () => Promise.reject(new Error('no')), { retry: { attempts: 5, backoff: 'fixed', first: '7d' } }),
  )
  const quick = job('quick', {}, () => 'done')
  const { engine, advance } = await testEngine({ jobs: [sleeper, failing, quick], work: { concurrency: 1 } })
  await engine.enqueueMany(sleeper, Array.from({ length: 20 }))
  await engine.enqueueMany(failing, Array.from({ length: 20 }))
  const ref = await engine.enqueue(quick)
  await advance('1m')
  expect(await ref.result()).toBe('done')
  expect((await engine.list({ state: 'waiting' })).jobs).toHaveLength(40)
})

test('hole: a job goes on in a process with other code and of another release, without anybody releasing it', async () => {
  const first = job('order', {}, async ({ step, sleep }) => {
    await step('reserve', () => 1)
    await sleep('1h')
  })
  const one = await testEngine({ jobs: [first] })
  const { id } = await one.engine.enqueue(first)
  await one.advance('1m')
  await one.database.query(`update legwork.worker set version = '0.0.0-of-long-ago'`)
  await one.crash()
  const second = job('order', {}, async ({ step, sleep, log }) => {
    log.info('another text of the same function')
    const reserved = await step('reserve', () => 2)
    await sleep('1h')
    return reserved
  })
  const two = await one.another({ jobs: [second] })
  await two.advance('2h')
  expect(await two.engine.ref(id).result()).toBe(1)
})

test('hole: a worker that is alive and hears no hint finds its work all the same', async () => {
  const order = job('order', {}, async ({ step }) => step('a', () => 'done'))
  const { database, engine, advance } = await testEngine({ jobs: [order] })
  await advance('10s')
  const [row] = await database.query<{ id: string }>(`select legwork.enqueue('order', null)::text as id`)
  await advance('2s')
  expect(await engine.ref(row!.id).result()).toBe('done')
})

test('hole: lines that are written side by side each have a place of their own, also those of a second attempt', async () => {
  const order = job('order', {}, async ({ step, log, progress }) => {
    const parts = Array.from({ length: 50 }, (_, n) => n)
    await Promise.all(
      parts.map((n) =>
        step(['part', n], () => {
          log.info(`part ${n}`)
          progress({ n })
        }),
      ),
    )
  })
  const one = await testEngine({ jobs: [order] })
  const { id } = await one.engine.enqueue(order)
  await one.advance('1m')
  const two = await crashAndReplace(one)
  const cursors: string[] = []
  const told: string[] = []
  for await (const event of two.engine.ref(id).events()) {
    cursors.push(event.cursor)
    if (event.type === 'log') told.push(event.message)
    if (event.type === 'step') told.push(event.step)
  }
  expect(new Set(cursors).size).toBe(cursors.length)
  expect(told.filter((line) => line.startsWith('part '))).toEqual(Array.from({ length: 50 }, (_, n) => `part ${n}`))
  expect(new Set(told).size).toBe(100)
  const [half] = cursors.slice(60)
  const rest: string[] = []
  for await (const event of two.engine.ref(id).events({ after: half! })) rest.push(event.cursor)
  expect(rest).toEqual(cursors.slice(61))
})

test('hole: who knows all that is public of a job, its key too, still has no token for it', async () => {
  const order = job('order', { key: () => 'order-7' }, ({ waitFor }) => waitFor('paid'))
  const { engine, advance } = await testEngine({ jobs: [order], secret: 'a secret of at least thirty-two characters' })
  const [ref, other] = [await engine.enqueue(order), await engine.enqueue(order)]
  await advance('1m')
  const [own, again] = [await engine.signalToken(other, 'paid'), await engine.signalToken(other, 'paid')]
  expect(own).not.toBe(again)
  const parts = own.split('.')
  const claim = Buffer.from(parts[0]!, 'base64url').toString()
  const forged = [Buffer.from(claim.replace(other.id, ref.id)).toString('base64url'), ...parts.slice(1)].join('.')
  for (const guess of [ref.id, 'order-7', `${ref.id}:paid`, forged])
    expect(await failureOf(engine.signalWithToken(guess, 1))).toMatchObject({ code: 'LW_TOKEN_INVALID' })
  expect((await ref.status()).state).toBe('waiting')
})

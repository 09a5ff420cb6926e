import { expect, test } from 'vitest'
import { job, type JobRef } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

async function told(ref: JobRef, after?: string): Promise<{ lines: string[]; cursors: string[] }> {
  const lines: string[] = []
  const cursors: string[] = []
  for await (const event of ref.events(after === undefined ? {} : { after })) {
    cursors.push(event.cursor)
    if (event.type === 'step' || event.type === 'undo') lines.push(`${event.type} ${event.step} ${event.state}`)
    else lines.push(event.type === 'log' ? event.message : event.type)
  }
  return { lines, cursors }
}

test('events() tells of steps and undos, in order with the rest; every cursor goes on where it stands', async () => {
  const order = job('order', { retry: { attempts: 2, backoff: 'fixed', first: '1m' } }, async ({ step, sleep }) => {
    await step('a', () => 'A', { undo: () => undefined })
    await sleep('1h', 'pause')
    await step('b', () => Promise.reject(new Error('no')))
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await advance('2h')
  const { lines, cursors } = await told(ref)
  expect(lines).toEqual([
    'enqueued',
    'step a completed',
    'step pause waiting',
    'started',
    'step b failed',
    'undo a completed',
    'ended',
  ])
  for (const [place, cursor] of cursors.entries())
    expect((await told(ref, cursor)).lines).toEqual(lines.slice(place + 1))
})

test('events() tells a follower of each step while it happens, also of a try that failed', async () => {
  const order = job('order', { retry: { attempts: 2, backoff: 'fixed', first: '1m' } }, async ({ step }) => {
    await step('a', ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('no')) : 'A'))
    await step('b', () => 'B')
  })
  const { engine, advance } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  const following = told(ref)
  for (let minute = 0; minute < 4; minute++) await advance('30s')
  const { lines } = await following
  expect(lines.filter((line) => line.startsWith('step'))).toEqual([
    'step a retrying',
    'step a completed',
    'step b completed',
  ])
})

test('a feed of more steps and lines than one page keeps them all, in order', async () => {
  const order = job('order', {}, async ({ step, log }) => {
    for (let n = 0; n < 1_100; n++) await step(['s', n], () => undefined)
    log.info('end')
  })
  const { engine, drain } = await testEngine({ jobs: [order] })
  const ref = await engine.enqueue(order)
  await drain()
  const { lines } = await told(ref)
  expect(lines.filter((line) => line.startsWith('step'))).toHaveLength(1_100)
  expect(lines).toContain('end')
  expect(lines.at(-1)).toBe('ended')
})

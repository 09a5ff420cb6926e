import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

const train = job('train', { needs: ['gpu'] }, () => 'trained')
const both = job('both', { needs: ['gpu', 'eu'] }, () => 'both')
const plain = job('plain', {}, () => 'ran')

const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['no labels', [], ['plain']],
  ['one of them', ['gpu'], ['plain', 'train']],
  ['all of them and more', ['eu', 'gpu', 'ssd'], ['both', 'plain', 'train']],
  ['others', ['GPU', 'ssd'], ['plain']],
]
test.each(cases)('a worker with %s takes only jobs whose needs it meets', async (_, labels, taken) => {
  const jobs = [train, both, plain]
  const { engine, drain } = await testEngine({ jobs, work: { labels } })
  for (const each of jobs) await engine.enqueue(each)
  await drain()
  const { jobs: done } = await engine.list({ state: 'completed' })
  expect(done.map(({ name }) => name).toSorted()).toEqual(taken)
  expect((await engine.workers())[0]).toMatchObject({ labels, names: expect.arrayContaining([...taken]) })
})

test('a job that nobody can run says which label is missing, and runs when a worker has it', async () => {
  const world = await testEngine({ jobs: [train, both], work: { labels: ['eu'] } })
  const one = await world.engine.enqueue(train)
  const two = await world.engine.enqueue(both)
  await world.advance('1s')
  const why = 'no running worker serves queue "default" and has the label "gpu"'
  expect(await one.status()).toMatchObject({ state: 'ready', attempt: 0, waitsFor: why })
  expect(await two.status()).toMatchObject({ state: 'ready', waitsFor: why })
  await world.engine.close()
  const next = await world.another({ work: { labels: ['gpu'] } })
  await next.drain()
  expect(await next.engine.ref(one.id).status()).toMatchObject({ state: 'completed' })
  expect((await next.engine.ref(two.id).status()).waitsFor).toMatch(/has the label "eu"$/)
})

test('many jobs that nobody here can run do not hold up the others', async () => {
  const { engine, drain } = await testEngine({ jobs: [train, plain] })
  await engine.enqueueMany(train, Array(1_500).fill(undefined))
  const ref = await engine.enqueue(plain)
  await drain()
  expect(await ref.result()).toBe('ran')
})

test('refuses what is no list of labels', async () => {
  expect(() => job('a', { needs: 'gpu' as never })).toThrow(/needs must be a list/)
  expect(() => job('a', { needs: [' gpu'] })).toThrow(/LW_OPTION_INVALID/)
  const { engine } = await testEngine({ jobs: [], work: false })
  await expect(engine.work({ labels: [''] })).rejects.toMatchObject({ code: 'LW_OPTION_INVALID' })
})

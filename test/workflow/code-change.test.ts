import { expect, test } from 'vitest'
import { job } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'

type Handler = NonNullable<ReturnType<typeof job>['handler']>

/** Runs the first code until it sleeps, and the second one, in another process, to the end. */
async function changed(first: Handler, second: Handler) {
  const one = await testEngine({ jobs: [job('order', { retry: false }, first)], replay: false })
  const { id } = await one.engine.enqueue('order')
  await one.advance('1m')
  await one.crash()
  const two = await one.another({ jobs: [job('order', { retry: false }, second)] })
  await two.advance('2h')
  const ref = two.engine.ref(id)
  return { ...(await ref.status()), steps: (await ref.steps()).map(({ name, state }) => `${name} ${state}`) }
}

/** A step that writes down that it ran. */
const noted = (log: string[], who: string) => (what: string) => () => {
  log.push(`${who}: ${what}`)
  return what
}

test('a step that was added in mid-run is run, whether it stands before or behind the place where the job was', async () => {
  const log: string[] = []
  const [old, next] = [noted(log, 'old'), noted(log, 'new')]
  const found = await changed(
    async ({ step, sleep }) => {
      await step('reserve', old('reserve'))
      await sleep('1h')
      await step('ship', old('ship'))
    },
    async ({ step, sleep }) => {
      await step('check', next('check'))
      await step('reserve', next('reserve'))
      await sleep('1h')
      await step('pack', next('pack'))
      await step('ship', next('ship'))
    },
  )
  expect(found.state).toBe('completed')
  expect(log).toEqual(['old: reserve', 'new: check', 'new: pack', 'new: ship'])
})

test('a step that was removed in mid-run stays done, and is not missed', async () => {
  const log: string[] = []
  const [old, next] = [noted(log, 'old'), noted(log, 'new')]
  const found = await changed(
    async ({ step, sleep }) => {
      await step('reserve', old('reserve'))
      await step('charge', old('charge'))
      await sleep('1h')
      await step('ship', old('ship'))
    },
    async ({ step, sleep }) => {
      await step('reserve', next('reserve'))
      await sleep('1h')
      await step('ship', next('ship'))
    },
  )
  expect(found).toMatchObject({
    state: 'completed',
    steps: ['reserve done', 'charge done', 'sleep done', 'ship done'],
  })
  expect(log).toEqual(['old: reserve', 'old: charge', 'new: ship'])
})

test('steps that were reordered in mid-run keep what they came to', async () => {
  const log: string[] = []
  const [old, next] = [noted(log, 'old'), noted(log, 'new')]
  const found = await changed(
    async ({ step, sleep }) => {
      await step('reserve', old('reserve'))
      await step('charge', old('charge'))
      await sleep('1h')
    },
    async ({ step, sleep }) => {
      const charged = await step('charge', next('charge'))
      await sleep('1h')
      const reserved = await step('reserve', next('reserve'))
      await step('ship', () => log.push(`shipped after ${charged} and ${reserved}`))
    },
  )
  expect(found.state).toBe('completed')
  expect(log).toEqual(['old: reserve', 'old: charge', 'shipped after charge and reserve'])
})

test('a step that was renamed in mid-run is another one: it is run under its new name', async () => {
  const log: string[] = []
  const [old, next] = [noted(log, 'old'), noted(log, 'new')]
  const found = await changed(
    async ({ step, sleep }) => {
      await step('reserve', old('reserve'))
      await sleep('1h')
    },
    async ({ step, sleep }) => {
      await step('reserve stock', next('reserve stock'))
      await sleep('1h')
    },
  )
  expect(found).toMatchObject({ state: 'completed', steps: ['reserve done', 'sleep done', 'reserve stock done'] })
  expect(log).toEqual(['old: reserve', 'new: reserve stock'])
})

test('a name whose kind was changed in mid-run is refused, and nothing is done', async () => {
  const log: string[] = []
  const found = await changed(
    async ({ step, sleep }) => {
      await step('reserve', noted(log, 'old')('reserve'))
      await sleep('1h', 'pause')
    },
    async ({ step }) => {
      await step('reserve', noted(log, 'new')('reserve'))
      await step('pause', noted(log, 'new')('pause'))
    },
  )
  expect(found).toMatchObject({ state: 'dead', error: { code: 'LW_STEP_DRIFT' } })
  expect(found.error?.message).toContain('remembers "pause" as a sleep, and the code asks for a step of that name')
  expect(log).toEqual(['old: reserve'])
})

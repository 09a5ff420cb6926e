import { job, type JobRef } from '../../../src/index.ts'
import { after, before } from '../../support/mortal.ts'
import { describeWindows, quick, type Scenario } from './scenario.ts'

const child: Scenario = {
  jobs: (deeds) => {
    const ship = job('ship', quick, async () => {
      await deeds.did('ship')
      return 'p-1'
    })
    const order = job('order', quick, async ({ step, run }) => {
      const parcel = await run(ship, undefined, { delay: '10s' }) // one that ends at once may leave no time to park
      await step('mail', () => deeds.did('mail'))
      return parcel
    })
    return [order, ship]
  },
  windows: {
    'before it is begun': { at: before('commit of run ship begun') },
    'after it was begun': { at: after('commit of run ship begun') },
    'before its parent is parked': { at: before('giving it back') },
    'after its parent was parked': { at: after('giving it back') },
    'before its body': { at: before('body of ship') },
    'after its body, before its end': { at: before('commit of the end'), again: 'ship' },
    'after its end, before its parent knows': { at: after('commit of the end') },
    'before its parent notes its output': { at: before('run ship done') },
    'after its parent has noted its output': { at: after('run ship done') },
  },
  end: { deeds: ['ship', 'mail'], state: 'completed', output: 'p-1', steps: ['run ship done', 'mail done'] },
}

const children: Scenario = {
  jobs: (deeds) => {
    const ship = job('ship', quick, async ({ input }) => {
      await deeds.did(`ship ${String(input)}`)
      return input as number
    })
    const order = job('order', quick, async ({ step, runAll }) => {
      const parcels = await runAll(ship, [1, 2, 3], { concurrency: 1 })
      await step('mail', () => deeds.did('mail'))
      return parcels
    })
    return [order, ship]
  },
  windows: {
    'before they are begun': { at: before('commit of run all ship begun') },
    'after they were begun': { at: after('commit of run all ship begun') },
    'before the first has ended': { at: before('commit of the end'), again: 'ship 1' },
    'after the first has ended': { at: after('commit of the end') },
    'before the last has ended': { at: before('commit of the end', 3), again: 'ship 3' },
    'after the last has ended': { at: after('commit of the end', 3) },
    'before their parent notes it': { at: before('run all ship done') },
    'after their parent has noted it': { at: after('run all ship done') },
  },
  end: {
    deeds: ['ship 1', 'ship 2', 'ship 3', 'mail'],
    state: 'completed',
    output: [1, 2, 3],
    steps: ['run all ship done', 'mail done'],
  },
}

const sleeping: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step, sleep }) => {
      await step('reserve', () => deeds.did('reserve'))
      await sleep('1h')
      await step('ship', () => deeds.did('ship'))
    }),
  ],
  windows: {
    'before it is remembered': { at: before('sleep due') },
    'after it is remembered': { at: after('sleep due') },
    'before the job is parked': { at: before('giving it back') },
    'while it is parked': { at: after('giving it back') },
    'after it has woken': { at: before('body of ship') },
  },
  end: { deeds: ['reserve', 'ship'], state: 'completed', steps: ['reserve done', 'sleep done', 'ship done'] },
}

const pay = (ref: JobRef) => ref.signal('paid', 7)

const waiting: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step, waitFor }) => {
      await step('invoice', () => deeds.did('invoice'))
      const paid = await waitFor('paid', { timeout: '30d' })
      await step('ship', () => deeds.did('ship'))
      return paid
    }),
  ],
  outside: async (ref) => {
    if ((await ref.status()).state === 'waiting') await pay(ref)
  },
  windows: {
    'before it is remembered': { at: before('wait for paid due') },
    'after it is remembered': { at: after('wait for paid due') },
    'before the job is parked': { at: before('giving it back') },
    'before the job is parked, and the signal comes then': { at: before('giving it back'), whileDead: pay },
    'while it is parked': { at: after('giving it back') },
    'while it is parked, and the signal comes then': { at: after('giving it back'), whileDead: pay },
    'before the signal is taken': { at: before('taking the signal') },
    'after the signal was taken': { at: after('taking the signal') },
  },
  end: {
    deeds: ['invoice', 'ship'],
    state: 'completed',
    output: 7,
    steps: ['invoice done', 'wait for paid done', 'ship done'],
  },
}

const restarting: Scenario = {
  jobs: (deeds) => [
    job('endless', quick, async ({ input, step, restart }) => {
      const run = (input as number | undefined) ?? 1
      await step('poll', () => deeds.did(`poll ${run}`))
      if (run < 3) return restart(run + 1)
      return run
    }),
  ],
  windows: {
    'before it is written': { at: before('giving it back') },
    'after it was written': { at: after('giving it back') },
    'after a step of the next run': { at: after('poll done', 2) },
    'before the second one is written': { at: before('giving it back', 2) },
  },
  end: { deeds: ['poll 1', 'poll 2', 'poll 3'], state: 'completed', output: 3, steps: ['poll done'] },
}

describeWindows({
  'a child': child,
  'children of many inputs': children,
  'a sleep': sleeping,
  'a wait for a signal': waiting,
  'restart()': restarting,
})

import { job } from '../../../src/index.ts'
import { after, before } from '../../support/mortal.ts'
import { describeWindows, quick, type Scenario } from './scenario.ts'

const plainStep: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      await step('reserve', () => deeds.did('reserve'))
      const id = await step('charge', async () => {
        await deeds.did('charge')
        return 'c-1'
      })
      await step('ship', () => deeds.did('ship'))
      return id
    }),
  ],
  windows: {
    'before its body': { at: before('body of charge') },
    'after its body, before its commit': { at: before('charge done'), again: 'charge' },
    'after its commit': { at: after('charge done') },
    'after the last step, before the end of the job': { at: before('the end') },
    'after the end of the job': { at: after('the end') },
  },
  end: {
    deeds: ['reserve', 'charge', 'ship'],
    state: 'completed',
    output: 'c-1',
    steps: ['reserve done', 'charge done', 'ship done'],
  },
}

const undoable: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      await step('charge', () => deeds.did('charge'), { undo: () => deeds.did('refund') })
      await step('ship', () => deeds.did('ship'))
    }),
  ],
  windows: {
    'before its undo is registered': { at: before('charge begun') },
    'after its undo is registered, before its body': { at: after('charge begun') },
    'after its body, before its commit': { at: before('charge done'), again: 'charge' },
    'after its commit': { at: after('charge done') },
  },
  end: {
    deeds: ['charge', 'ship'],
    state: 'completed',
    steps: ['charge done', 'ship done'],
    undos: ['charge registered'],
  },
}

const atMostOnce: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      await step('fire', () => deeds.did('fire'), { atMostOnce: true })
      await step('clean up', () => deeds.did('clean up'))
    }),
  ],
  windows: {
    'before it is written that it begins': { at: before('fire begun') },
    'after that, before its body': {
      at: before('body of fire'),
      instead: { deeds: [], state: 'dead', steps: ['fire failed'] },
    },
    'after its body, before its commit': {
      at: before('fire done'),
      instead: { deeds: ['fire'], state: 'dead', steps: ['fire failed'] },
    },
    'after its commit': { at: after('fire done') },
  },
  end: { deeds: ['fire', 'clean up'], state: 'completed', steps: ['fire done', 'clean up done'] },
}

const transaction: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      await step.tx('book', (tx) => deeds.did('book', tx))
      await step('ship', () => deeds.did('ship'))
    }),
  ],
  windows: {
    'before its body': { at: before('body of book') },
    'after its writes, before its result': { at: before('book done') },
    'after its result, before the commit': { at: before('commit of book done') },
    'after the commit': { at: after('commit of book done') },
  },
  end: { deeds: ['book', 'ship'], state: 'completed', steps: ['book done', 'ship done'] },
}

const checkpoints: Scenario = {
  jobs: (deeds) => [
    job('import', quick, async ({ checkpoint }) => {
      const from = ((await checkpoint.last()) as number | undefined) ?? 0
      for (let line = from + 1; line <= 3; line++) {
        await deeds.did(`line ${line}`)
        await checkpoint(line)
      }
      return from
    }),
  ],
  windows: {
    'before the first': { at: before('!checkpoint begun'), again: 'line 1', instead: { output: 0 } },
    'after the first': { at: after('!checkpoint begun'), instead: { output: 1 } },
    'before the last': { at: before('!checkpoint begun', 3), again: 'line 3', instead: { output: 2 } },
    'after the last': { at: after('!checkpoint begun', 3), instead: { output: 3 } },
  },
  end: { deeds: ['line 1', 'line 2', 'line 3'], state: 'completed', steps: [] },
}

describeWindows({
  'a step': plainStep,
  'a step with undo': undoable,
  'a step that runs at most once': atMostOnce,
  'step.tx': transaction,
  'a checkpoint': checkpoints,
})

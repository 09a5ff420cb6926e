import { Abort, job } from '../../../src/index.ts'
import { after, before } from '../../support/mortal.ts'
import { describeWindows, quick, type Scenario } from './scenario.ts'

const group: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      const booked = await step
        .group('trip', async () => {
          await step('hotel', () => deeds.did('hotel'), { undo: () => deeds.did('undo hotel') })
          await step('flight', async () => {
            await deeds.did('flight')
            throw new Abort('full')
          })
        })
        .then(
          () => true,
          () => false,
        )
      await step('mail', () => deeds.did('mail'))
      return booked
    }),
  ],
  windows: {
    'after a step of it, before the next': { at: after('trip > hotel done') },
    'before the failure of its step is remembered': { at: before('trip > flight failed'), again: 'flight' },
    'after that, before it is to be undone': { at: before('trip begun') },
    'after it was decided to undo it': { at: after('trip begun') },
    'before the body of an undo': { at: before('body of undo hotel') },
    'after the body of an undo, before its commit': {
      at: before('!undo trip > hotel done'),
      again: 'undo hotel',
    },
    'after the commit of an undo': { at: after('!undo trip > hotel done') },
    'before it is undone': { at: before('trip failed') },
    'after it was undone': { at: after('trip failed') },
  },
  end: {
    deeds: ['hotel', 'flight', 'undo hotel', 'mail'],
    state: 'completed',
    output: false,
    steps: ['trip > hotel done', 'trip > flight failed', 'trip failed', 'mail done'],
    undos: ['trip > hotel done'],
  },
}

const committing: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step, commit }) => {
      await step('charge', () => deeds.did('charge'), { undo: () => deeds.did('refund') })
      await commit()
      await step('pack', () => deeds.did('pack'), { undo: () => deeds.did('unpack') })
      throw new Abort('no lorry')
    }),
  ],
  windows: {
    'before it is written': { at: before('!commit done') },
    'after it was written': { at: after('!commit done') },
    'after a step behind it': { at: after('pack done') },
    'before what is behind it is undone': { at: before('body of unpack') },
  },
  end: {
    deeds: ['charge', 'pack', 'unpack'],
    state: 'compensated',
    steps: ['charge done', 'pack done'],
    undos: ['pack done'],
  },
}

const undoing: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step }) => {
      await step('reserve', () => deeds.did('reserve'), { undo: () => deeds.did('release') })
      await step('charge', () => deeds.did('charge'), { undo: () => deeds.did('refund') })
      throw new Abort('no lorry')
    }),
  ],
  windows: {
    'before it is decided': { at: before('the decision to undo') },
    'after it was decided': { at: after('the decision to undo') },
    'before the body of the first undo': { at: before('body of refund') },
    'after the body of the first undo, before its commit': { at: before('!undo charge done'), again: 'refund' },
    'after the commit of the first undo': { at: after('!undo charge done') },
    'before the body of the last undo': { at: before('body of release') },
    'after the body of the last undo, before its commit': { at: before('!undo reserve done'), again: 'release' },
    'after the commit of the last undo': { at: after('!undo reserve done') },
    'before the end of the job': { at: before('the end') },
    'after the end of the job': { at: after('the end') },
  },
  end: {
    deeds: ['reserve', 'charge', 'refund', 'release'],
    state: 'compensated',
    steps: ['reserve done', 'charge done'],
    undos: ['charge done', 'reserve done'],
  },
}

const cancelled: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step, sleep }) => {
      await step('charge', () => deeds.did('charge'), { undo: () => deeds.did('refund') })
      await sleep('30d')
      await step('ship', () => deeds.did('ship'))
    }),
  ],
  outside: async (ref) => void (await ref.cancel('changed my mind')),
  windows: {
    'before the body of the undo': { at: before('body of refund') },
    'after the body of the undo, before its commit': { at: before('!undo charge done'), again: 'refund' },
    'after the commit of the undo': { at: after('!undo charge done') },
  },
  end: {
    deeds: ['charge', 'refund'],
    state: 'compensated',
    steps: ['charge done', 'sleep waiting'],
    undos: ['charge done'],
  },
}

const undoJob: Scenario = {
  jobs: (deeds) => {
    const release = job('release', quick, () => deeds.did('release'))
    const order = job('order', quick, async ({ step }) => {
      await step('reserve', () => deeds.did('reserve'), { undo: release.with() })
      throw new Abort('no lorry')
    })
    return [order, release]
  },
  windows: {
    'before its call is stored': { at: before('!call reserve done') },
    'after its call was stored, before the step is': { at: after('!call reserve done') },
    'before it is begun': { at: before('commit of !undo reserve begun') },
    'after it was begun': { at: after('commit of !undo reserve begun') },
    'before its body': { at: before('body of release') },
    'after its body, before its end': { at: before('commit of the end'), again: 'release' },
    'after its end': { at: after('commit of the end') },
    'before it is noted as undone': { at: before('!undo reserve done') },
    'after it was noted as undone': { at: after('!undo reserve done') },
  },
  end: {
    deeds: ['reserve', 'release'],
    state: 'compensated',
    steps: ['reserve done'],
    undos: ['reserve done'],
  },
}

const fork: Scenario = {
  jobs: (deeds) => [
    job('order', quick, async ({ step, headers }) => {
      await step('reserve', () => deeds.did('reserve'))
      const isFork = 'legwork-fork' in headers
      await step('charge', async () => {
        await deeds.did(isFork ? 'charge anew' : 'charge')
        if (!isFork) throw new Abort('no bank')
      })
    }),
  ],
  outside: (ref) => ref.fork({ from: 'last-failure' }),
  windows: {
    'of the first job, before its failure is remembered': { at: before('charge failed'), again: 'charge' },
    'before the body of its first step': { at: before('body of charge anew') },
    'after that, before its commit': { at: before('charge done'), again: 'charge anew' },
    'after its commit': { at: after('charge done') },
  },
  end: {
    deeds: ['reserve', 'charge', 'charge anew'],
    state: 'completed',
    steps: ['reserve done', 'charge done'],
  },
}

describeWindows({
  'a group that fails': group,
  'commit()': committing,
  'undoing a job': undoing,
  'undoing a cancelled job': cancelled,
  'an undo that is a job': undoJob,
  'a fork': fork,
})

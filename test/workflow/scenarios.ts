import { Abort, type AnyJob, job, type JobRef } from '../../src/index.ts'
import { after, before, type Deeds, type Moment } from '../support/mortal.ts'

/** A durable job, and the moments at which its process is killed. Whenever that is, it comes to the same. */
export interface Scenario {
  /** The first is the one that is enqueued. */
  readonly jobs: (deeds: Deeds) => readonly [AnyJob, ...AnyJob[]]
  /** What somebody outside does a minute after the start, and whom to look at after it. */
  readonly outside?: (ref: JobRef) => Promise<JobRef | void>
  readonly windows: Readonly<Record<string, Window>>
  readonly end: End
}

export interface End {
  /** What was done outside of the engine, in this order. */
  readonly deeds: readonly string[]
  readonly state: string
  readonly output?: unknown
  /** The steps and the undos as a person sees them. */
  readonly steps: readonly string[]
  readonly undos?: readonly string[]
}

export interface Window {
  readonly at: Moment
  /** What had been done and nobody knew it: it is done again. */
  readonly again?: string
  /** Somebody does this before there is another process. */
  readonly whileDead?: (ref: JobRef) => Promise<unknown>
  /** Where it cannot come to the same. */
  readonly instead?: Partial<End>
}

const quick = { retry: { attempts: 3, backoff: 'fixed', first: '10s' }, crashes: 100 } as const

const step: Scenario = {
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

const child: Scenario = {
  jobs: (deeds) => {
    const ship = job('ship', quick, async () => {
      await deeds.did('ship')
      return 'p-1'
    })
    const order = job('order', quick, async ({ step, run }) => {
      const parcel = await run(ship)
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

const checkpoint: Scenario = {
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

const commit: Scenario = {
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
  outside: (ref) => ref.cancel('changed my mind'),
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

const restart: Scenario = {
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

export const scenarios: Readonly<Record<string, Scenario>> = {
  'a step': step,
  'a step with undo': undoable,
  'a step that runs at most once': atMostOnce,
  'step.tx': transaction,
  'a child': child,
  'children of many inputs': children,
  'a sleep': sleeping,
  'a wait for a signal': waiting,
  'a checkpoint': checkpoint,
  'a group that fails': group,
  'commit()': commit,
  'undoing a job': undoing,
  'undoing a cancelled job': cancelled,
  'an undo that is a job': undoJob,
  'restart()': restart,
  'a fork': fork,
}

import fc from 'fast-check'

/** What a handler's run may end with. */
export type End = 'completed' | 'dead' | 'cancelled' | 'retry' | 'retry later' | 'snooze' | 'released'

export interface Draft {
  readonly name: 'a' | 'b'
  readonly queue: 'q' | 'r'
  readonly priority: 0 | 5
  readonly key: 'k' | 'l' | undefined
  readonly unique: 'u' | 'v' | undefined
  readonly delay: 1_000 | 8_000 | undefined
}

/** One thing that happens to the store. Numbers choose among what there is at that moment, modulo how much. */
export type Command =
  | { readonly do: 'enqueue'; readonly jobs: readonly Draft[] }
  /** `all`: of both names. Not `heard`: the answer got lost on the way. */
  | {
      readonly do: 'claim'
      readonly worker: number
      readonly limit: number
      readonly all: boolean
      readonly heard: boolean
    }
  | {
      readonly do: 'settle'
      readonly worker: number
      readonly ends: readonly { readonly job: number; readonly end: End }[]
    }
  | { readonly do: 'settle again'; readonly past: number; readonly end: End }
  | { readonly do: 'beat'; readonly worker: number }
  | { readonly do: 'return strays'; readonly worker: number }
  | { readonly do: 'crash'; readonly worker: number }
  | { readonly do: 'leave'; readonly worker: number }
  | { readonly do: 'rescue'; readonly rescuer: number }
  | { readonly do: 'cancel'; readonly job: number }
  | { readonly do: 'redrive'; readonly jobs: readonly number[] }
  | { readonly do: 'stage'; readonly limit: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'sweep' }
  | { readonly do: 'pause'; readonly queue: 'q' | 'r'; readonly paused: boolean }

const any = fc.nat({ max: 1_000 })
const worker = fc.nat({ max: 2 })

const draft: fc.Arbitrary<Draft> = fc.record({
  name: fc.constantFrom('a', 'a', 'a', 'b'),
  queue: fc.constantFrom('q', 'q', 'r'),
  priority: fc.constantFrom(0, 0, 5),
  key: fc.constantFrom(undefined, 'k', 'k', 'l'),
  unique: fc.option(fc.constantFrom('u', 'v'), { nil: undefined, freq: 3 }),
  delay: fc.option(fc.constantFrom(1_000, 8_000), { nil: undefined, freq: 4 }),
})

const end: fc.Arbitrary<End> = fc.constantFrom(
  'completed',
  'completed',
  'dead',
  'cancelled',
  'retry',
  'retry later',
  'snooze',
  'released',
)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('enqueue'), jobs: fc.array(draft, { minLength: 1, maxLength: 4 }) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('claim'),
      worker,
      limit: fc.integer({ min: 1, max: 5 }),
      all: fc.boolean(),
      heard: fc.nat({ max: 8 }).map((n) => n > 0),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('settle'),
      worker,
      ends: fc.array(fc.record({ job: any, end }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle again'), past: any, end }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('beat'), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('return strays'), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash'), worker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), worker }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rescue'), rescuer: worker }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cancel'), job: any }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('redrive'), jobs: fc.array(any, { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stage'), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(500, 2_000, 12_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep') }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pause'), queue: fc.constantFrom('q', 'r'), paused: fc.boolean() }),
  },
)

/** A history, shrunk to the shortest that still goes wrong. */
export const history: fc.Arbitrary<Command[]> = fc.array(command, { minLength: 6, maxLength: 45, size: 'max' })

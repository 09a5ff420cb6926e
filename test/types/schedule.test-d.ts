import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type Firing, job, type Schedule, schedule } from '../../src/index.ts'

const typed = job('typed', { input: z.object({ day: z.string() }) })
const untyped = job('untyped', {})

test('the input of a schedule is that of its job', () => {
  expectTypeOf(schedule('a', { cron: '* * * * *', job: typed, input: { day: 'x' } })).toEqualTypeOf<Schedule>()
  // @ts-expect-error -- the job needs an input
  schedule('a', { cron: '* * * * *', job: typed })
  // @ts-expect-error -- another input
  schedule('a', { cron: '* * * * *', job: typed, input: { day: 1 } })
})

test('a function makes it of the firing', () => {
  schedule('a', {
    cron: '* * * * *',
    job: typed,
    input: (firing) => {
      expectTypeOf(firing).toEqualTypeOf<Firing>()
      return { day: firing.nominal.toISOString() }
    },
  })
  // @ts-expect-error -- it returns another input
  schedule('a', { cron: '* * * * *', job: typed, input: () => ({ day: 1 }) })
})

test('a job without a schema takes anything', () => {
  expectTypeOf(schedule('a', { cron: '* * * * *', job: untyped })).toEqualTypeOf<Schedule>()
  schedule('a', { cron: '* * * * *', job: untyped, input: { any: 1 } })
  schedule('a', { cron: '* * * * *', job: untyped, input: ({ interval }) => interval.from })
})

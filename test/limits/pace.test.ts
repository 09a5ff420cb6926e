import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testEngine } from '../support/engine.ts'

const rule = fc.record({ count: fc.integer({ min: 1, max: 60 }), per: fc.integer({ min: 20, max: 2_000 }) })

test('a smooth rate: no window of any place has more than its count', { timeout: 120_000 }, async () => {
  const { database } = await testEngine({ jobs: [], work: false })
  await fc.assert(
    fc.asyncProperty(
      rule,
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 20, maxLength: 30 }),
      async (pace, gaps) => {
        const begun: number[] = []
        let tat: string | null = null
        let at = 0
        for (const gap of gaps) {
          at += gap
          const rows: { room: number; tat: string | null }[] = await database.query(
            `select legwork.rate_room(r, tat, 0, at) as room,
                  (legwork.charge(jsonb_populate_record(null::legwork.limiter, jsonb_build_object('tat', tat)), r, legwork.rate_room(r, tat, 0, at), at)).tat::text as tat
             from (select $1::jsonb as r, $2::text::timestamptz as tat, to_timestamp(0) + $3::int * interval '1 millisecond' as at) given`,
            [JSON.stringify(pace), tat, at],
          )
          begun.push(...Array<number>(rows[0]!.room).fill(at))
          tat = rows[0]!.tat
        }
        for (const from of begun)
          expect(begun.filter((each) => each >= from && each < from + pace.per).length).toBeLessThanOrEqual(pace.count)
        expect(begun.length).toBeGreaterThan(0)
      },
    ),
    { numRuns: 12 },
  )
})

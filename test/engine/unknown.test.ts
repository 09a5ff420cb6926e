import { type } from 'arktype'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { job, jsonSchemaOf } from '../../src/index.ts'
import { testEngine } from '../support/engine.ts'
import { failureOf } from '../support/failure.ts'

test('a job whose name no worker knows waits visibly, and runs where it is known', async () => {
  const known = job('known', {}, () => 'known')
  const fresh = job('fresh', {}, () => 'fresh')
  const one = await testEngine({ jobs: [known] })
  const other = await one.another({ jobs: [fresh.handle(() => 'ran')], work: false })
  const ref = await other.engine.enqueue(fresh)
  const before = await one.engine.enqueue(known)
  await one.advance('1m')
  expect(await before.result()).toBe('known')
  expect(await one.engine.ref(ref.id).status()).toMatchObject({ state: 'ready', name: 'fresh', attempt: 0 })
  await one.crash()
  await other.engine.work({ stopOnSignal: false })
  expect(await ref.result()).toBe('ran')
})

test.each([
  ['zod', z.object({ at: z.coerce.date(), n: z.number().default(1) }), { at: '2026-01-01' }],
  [
    'valibot',
    v.object({
      at: v.pipe(
        v.string(),
        v.transform((s) => new Date(s)),
      ),
      n: v.optional(v.number(), 1),
    }),
    { at: '2026-01-01' },
  ],
  ['arktype', type({ at: 'string.date.parse', n: 'number = 1' }), { at: '2026-01-01' }],
])('%s: checked on the way in, parsed before the handler', async (_library, schema, good) => {
  const dated = job('dated', { input: schema }, ({ input }) => {
    const { at, n } = input
    return `${at.toISOString()} ${n}`
  })
  const { engine } = await testEngine({ jobs: [dated] })
  const ref = await engine.enqueue('dated', good)
  expect(await ref.result()).toBe('2026-01-01T00:00:00.000Z 1')
  expect((await ref.status()).input).toEqual(good)
  expect(await failureOf(engine.enqueue('dated', 'text'))).toMatchObject({ code: 'LW_INPUT_INVALID' })
})

test('the JSON Schemas of all definitions are in the database', async () => {
  const input = z.object({ photo: z.string() })
  const photo = job('photo', { input, output: z.array(z.string()), queue: 'photos', priority: 'high' })
  const { database } = await testEngine({ jobs: [photo, job('bare')], work: false })
  const rows = await database.query(
    `select name, queue, priority, input_schema, output_schema from legwork.definition order by name`,
  )
  expect(rows).toEqual([
    { name: 'bare', queue: 'default', priority: 0, input_schema: null, output_schema: null },
    {
      name: 'photo',
      queue: 'photos',
      priority: -10,
      input_schema: expect.objectContaining(JSON.parse(JSON.stringify(jsonSchemaOf(input, 'input')))),
      output_schema: expect.objectContaining({ type: 'array' }),
    },
  ])
})

test('two definitions of one name are refused', async () => {
  expect(await failureOf(testEngine({ jobs: [job('same'), job('same')] }))).toMatchObject({ code: 'LW_JOB_NAME_TAKEN' })
  expect(await failureOf(testEngine({ jobs: [{ name: 'x' } as never] }))).toMatchObject({ code: 'LW_OPTION_INVALID' })
})

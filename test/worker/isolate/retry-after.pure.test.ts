import { expect, test } from 'vitest'
import { callOf, isolated, modes } from './support.ts'

const module = new URL('./busy.ts', import.meta.url).href

test.each(modes)('the Retry-After of an error is heard from a %s', async (mode) => {
  const outcome = await isolated().run(callOf(mode, 'busy', { module }))
  expect(outcome).toMatchObject({ ok: false, error: { message: '503', retryAfter: 7_000 } })
})

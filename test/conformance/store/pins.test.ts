import { expect, test } from 'vitest'
import { storeBenches } from '../support.ts'

const storeBench = storeBenches()
const week = 7 * 86_400_000

test('a key stands for the instant of its first use, given or now, for seven days; each schedule has keys of its own', async () => {
  const { store, advance } = await storeBench()
  const first = await store.pin('nightly', 'a', undefined)
  await advance(5_000)
  expect(await store.pin('nightly', 'a', undefined)).toEqual(first)
  expect(await store.pin('nightly', 'b', undefined)).toEqual(new Date((first?.getTime() ?? 0) + 5_000))
  const given = new Date('2026-11-28T02:00Z')
  expect(await store.pin('hourly', 'a', given)).toEqual(given)
  expect(await store.pin('hourly', 'a', given)).toEqual(given)
  expect(await store.pin('hourly', 'a', new Date('2026-11-28T03:00Z'))).toBeUndefined()
  expect(await store.pin('hourly', 'a', undefined)).toBeUndefined()
  await advance(week + 1_000)
  expect(await store.pin('nightly', 'a', undefined)).toEqual(new Date((first?.getTime() ?? 0) + 5_000 + week + 1_000))
  expect(await store.pin('hourly', 'a', new Date('2026-11-28T03:00Z'))).toEqual(new Date('2026-11-28T03:00Z'))
})

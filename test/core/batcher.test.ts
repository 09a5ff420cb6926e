import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Batcher } from '../../src/core/batcher.ts'

const twice = async (items: readonly number[]): Promise<number[]> => items.map((n) => n * 2)

test('callers of one turn share a flush, and each gets its own results', async () => {
  const flushes: number[] = []
  const batcher = new Batcher<number, number>(
    async (items) => {
      flushes.push(items.length)
      return twice(items)
    },
    100,
    () => true,
  )
  expect(await Promise.all([batcher.add([1]), batcher.add([2, 3]), batcher.add([4])])).toEqual([[2], [4, 6], [8]])
  expect(flushes).toEqual([4])
})

test('what comes during a flush goes into the next one, and no flush is larger than it may be', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 8 }), async (calls, largest) => {
      let under = 0
      const batcher = new Batcher<number, number>(
        async (items) => {
          expect(++under).toBe(1)
          expect(items.length).toBeLessThanOrEqual(Math.max(largest, ...calls))
          await Promise.resolve()
          under--
          return twice(items)
        },
        largest,
        () => true,
      )
      const answers = calls.map(async (size, call) => {
        if (call % 3 === 0) await Promise.resolve()
        return batcher.add(Array.from({ length: size }, (_, place) => call * 10 + place))
      })
      expect(await Promise.all(answers)).toEqual(
        calls.map((size, call) => Array.from({ length: size }, (_, place) => (call * 10 + place) * 2)),
      )
      await batcher.drained()
    }),
  )
})

test('one bad neighbour fails alone', async () => {
  const batcher = new Batcher<number, number>(
    (items) => (items.includes(13) ? Promise.reject(new Error('unlucky')) : twice(items)),
    100,
    () => true,
  )
  const settled = await Promise.allSettled([batcher.add([1]), batcher.add([13]), batcher.add([2])])
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await batcher.add([5])).toEqual([10])
})

test('when nobody knows whether it took effect, nobody is tried again', async () => {
  let flushes = 0
  const lost = new Error('connection lost')
  const batcher = new Batcher<number, number>(
    () => {
      flushes++
      return Promise.reject(lost)
    },
    100,
    (error) => error !== lost,
  )
  const settled = await Promise.allSettled([batcher.add([1]), batcher.add([2])])
  expect(settled.map((each) => each.status === 'rejected' && each.reason)).toEqual([lost, lost])
  expect(flushes).toBe(1)
})

test('two flushes abreast divide a crowd, are never three, and answer everybody', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 120 }), async (calls) => {
      let under = 0
      let most = 0
      const batcher = new Batcher<number, number>(
        async (items) => {
          most = Math.max(most, ++under)
          for (let turn = 0; turn < items.length % 7; turn++) await Promise.resolve()
          under--
          return twice(items)
        },
        50,
        () => true,
        2,
      )
      const answers = await Promise.all(
        calls.map((size, call) => batcher.add(Array.from({ length: size }, () => call))),
      )
      expect(answers).toEqual(calls.map((size, call) => Array.from({ length: size }, () => call * 2)))
      expect(most).toBe(calls.length >= 32 ? 2 : 1)
      expect(batcher.busy).toBe(false)
    }),
  )
})

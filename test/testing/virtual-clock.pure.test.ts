import { expect, test } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

function clockOf(): { clock: VirtualClock; seen: string[] } {
  const seen: string[] = []
  const start = new Date(0)
  const nothing = async (): Promise<void> => undefined
  const setTime = async (now: Date): Promise<void> => void seen.push(`time ${now.getTime()}`)
  return { clock: new VirtualClock({ start, setTime, settle: nothing, idle: nothing }), seen }
}

test('timers fire in the order of their times, each after the database has its time', async () => {
  const { clock, seen } = clockOf()
  clock.after(200, () => seen.push('b'))
  clock.after(100, () => seen.push('a'))
  clock.after(300, () => seen.push('c'))
  await clock.advance(250)
  expect(seen).toEqual(['time 100', 'a', 'time 200', 'b', 'time 250'])
})

test('a timer made by a timer fires in the same advance', async () => {
  const { clock, seen } = clockOf()
  clock.after(100, () => clock.after(50, () => seen.push('second')))
  await clock.advance('1s')
  expect(seen).toEqual(['time 100', 'time 150', 'second', 'time 1000'])
})

test('a cancelled timer does not fire, also when its neighbour cancels it', async () => {
  const { clock, seen } = clockOf()
  clock.after(100, () => seen.push('never'))()
  clock.after(100, () => cancel())
  const cancel = clock.after(100, () => seen.push('never'))
  await clock.advance(100)
  expect(seen).toEqual(['time 100'])
})

test('a month costs a handful of stops, the last ones at the pace of the slowest repeating timer', async () => {
  const { clock, seen } = clockOf()
  let fast = 0
  let slow = 0
  clock.every(1_000, () => fast++)
  clock.every(2_500, () => slow++)
  await clock.advance('30d')
  expect(seen).toEqual([10_000, 7_500, 5_000, 2_500, 0].map((before) => `time ${30 * 86_400_000 - before}`))
  expect([fast, slow]).toEqual([5, 5])
})

test('a repeating timer keeps its rhythm', async () => {
  const { clock, seen } = clockOf()
  clock.every(1_000, () => seen.push('tick'))
  await clock.advance(999)
  expect(seen).toEqual(['time 999'])
  await clock.advance(1)
  expect(seen).toEqual(['time 999', 'time 1000', 'tick'])
})

test('advances wait for one another', async () => {
  const { clock, seen } = clockOf()
  await Promise.all([clock.advance(100), clock.advance(100)])
  expect(seen).toEqual(['time 100', 'time 200'])
  expect(clock.now()).toBe(200)
})

test('a duration that is none is refused', async () => {
  const { clock } = clockOf()
  expect(() => clock.advance('soon' as '1s')).toThrow(/Option duration must be a duration/)
})

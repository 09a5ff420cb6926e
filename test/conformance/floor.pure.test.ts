import { expect, test } from 'vitest'
import { Floor } from '../../src/worker/floor.ts'

test('a place is final when every older transaction has ended and a look after their end has been there', () => {
  const floor = new Floor()
  floor.passed(10)
  floor.saw({ xmin: 90, xid: 100 }, Infinity)
  expect(floor).toMatchObject({ scan: 10, final: 0 })
  floor.saw({ xmin: 99, xid: undefined }, Infinity)
  expect(floor.final, 'one of them runs still').toBe(0)
  floor.saw({ xmin: 100, xid: undefined }, 0)
  expect(floor.final, 'nobody has looked below').toBe(0)
  floor.saw({ xmin: 101, xid: undefined }, Infinity)
  expect(floor.final).toBe(10)
})

test('a look that was cut short makes final only what it has seen', () => {
  const floor = new Floor()
  floor.passed(10)
  floor.saw({ xmin: 100, xid: 100 }, Infinity)
  floor.saw({ xmin: 101, xid: 101 }, 4)
  expect(floor.final).toBe(4)
  floor.saw({ xmin: 102, xid: 102 }, 3)
  expect(floor.final, 'it never falls').toBe(4)
  floor.passed(25)
  floor.saw({ xmin: 103, xid: 103 }, 20)
  expect(floor.final, 'what was taken since is the next candidate').toBe(10)
})

test('a claim that changed nothing has no place among the transactions and proposes nothing', () => {
  const floor = new Floor()
  floor.passed(10)
  floor.saw({ xmin: 100, xid: undefined }, Infinity)
  floor.saw({ xmin: 200, xid: undefined }, Infinity)
  expect(floor.final).toBe(0)
})

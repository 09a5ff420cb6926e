import { expect, test } from 'vitest'
import { nearest } from '../../src/core/suggest.ts'

test.each([
  ['mail.sned', ['mail.send', 'photo.thumbnails'], 'mail.send'],
  ['MAIL.SEND', ['mail.send'], 'mail.send'],
  ['photo.thumbnail', ['photos', 'photo.thumbnails'], 'photo.thumbnails'],
  ['hell', ['hello', 'help'], 'hello'],
  ['x', ['hello'], undefined],
  ['order.place', ['invoice.create'], undefined],
  ['hello', [], undefined],
  ['', ['a'], 'a'],
])('the nearest of %o to %o is %o', (word, candidates, found) => {
  expect(nearest(word, candidates)).toBe(found)
})

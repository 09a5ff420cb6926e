import { expect, test } from 'vitest'
import {
  allows,
  fromCodes,
  isFinal,
  type State,
  stateCode,
  stateOf,
  states,
  transitions,
} from '../../src/core/states.ts'

test('every state comes back from what the database holds', () => {
  for (const state of states) expect(stateOf(stateCode[state], state === 'running')).toBe(state)
  expect(() => stateOf(99, false)).toThrow(/99/)
})

test('final states are those that only a person leaves', () => {
  const left = (state: State): string[] =>
    Object.entries(transitions).flatMap(([event, { from }]) =>
      (from as readonly State[]).includes(state) ? [event] : [],
    )
  for (const state of states.filter((each) => isFinal(each)))
    expect(left(state).filter((event) => event !== 'redrive' && event !== 'resolve')).toEqual([])
})

test('nothing completes that does not run, and what has completed stays', () => {
  for (const from of states) expect(allows('complete', from, 'completed')).toBe(from === 'running')
  for (const event of Object.keys(transitions) as (keyof typeof transitions)[])
    for (const to of states) expect(allows(event, 'completed', to)).toBe(false)
})

test('every live state of today can be reached and left', () => {
  const rules: { from: readonly State[]; to: readonly State[] }[] = Object.values(transitions)
  for (const state of ['scheduled', 'blocked', 'ready', 'running'] as const) {
    expect(rules.some(({ to }) => to.includes(state))).toBe(true)
    expect(rules.some(({ from }) => from.includes(state))).toBe(true)
  }
})

test('statements get their states as codes', () => {
  expect(fromCodes('cancel')).toBe('1, 2, 6, 3, 4')
  expect(fromCodes('complete')).toBe('3')
})

import type { LegworkError } from '../../src/index.ts'

/** What a function throws, or a promise was rejected with. */
export function failureOf(work: Promise<unknown>): Promise<LegworkError>
export function failureOf(work: () => Promise<unknown>): Promise<LegworkError>
export function failureOf(work: () => unknown): LegworkError
export function failureOf(work: Promise<unknown> | (() => unknown)): LegworkError | Promise<LegworkError> {
  try {
    const result = typeof work === 'function' ? work() : work
    if (result instanceof Promise) return result.then(unexpected, (error: unknown) => error as LegworkError)
  } catch (error) {
    return error as LegworkError
  }
  return unexpected()
}

function unexpected(): never {
  throw new Error('A failure was expected.')
}

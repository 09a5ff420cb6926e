import { job } from '../../../src/core/definition.ts'

/** Fails as an HTTP client does when the other side asks for a pause. */
export const busy = job('busy', { module: import.meta.url }, () => {
  throw Object.assign(new Error('503'), { response: { headers: { 'retry-after': '7' } } })
})

export { createTestEngine } from './test-engine.ts'

export type { TestEngine, TestEngineOptions } from './test-engine.ts'
export type { VirtualClock } from './virtual-clock.ts'

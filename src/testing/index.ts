export { replayHistory } from '../replay.ts'
export { createTestEngine } from './test-engine.ts'

export type { ReplayOptions } from '../replay.ts'
export type { TestEngine, TestEngineOptions } from './test-engine.ts'
export type { VirtualClock } from './virtual-clock.ts'

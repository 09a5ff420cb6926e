import type { Outcome } from './feed.ts'
import { count, size, time } from './terminal.ts'

/** What to say at the end. */
export function summary(outcomes: readonly Outcome[], retries: number, ms: number): string[] {
  const done = outcomes.filter((outcome) => outcome.kind === 'done')
  const number = (kind: Outcome['kind']) => outcomes.filter((outcome) => outcome.kind === kind).length
  const parts = [
    done.length === 0 && number('already done') > 0 ? 'nothing new' : `${count(done.length, 'photo')} done`,
    ...(['already done', 'failed', 'refused'] as const).filter(number).map((kind) => `${number(kind)} ${kind}`),
    ...(retries > 0 ? [count(retries, 'retry', 'retries')] : []),
  ]
  return [`${parts.join(', ')} in ${time(ms)}`, ...written(done)]
}

function written(done: readonly Extract<Outcome, { kind: 'done' }>[]): string[] {
  if (done.length === 0) return []
  const sum = (of: 'files' | 'bytesIn' | 'bytesOut') => done.reduce((total, outcome) => total + outcome[of], 0)
  return [`${count(sum('files'), 'thumbnail')} written: ${size(sum('bytesIn'))} in, ${size(sum('bytesOut'))} out`]
}

import { isWithin } from './scope.ts'
import { serializeError, show } from '../core/errors.ts'
import type { HistoryStep, JobHistory } from '../store/history.ts'
import { kindNames } from './history.ts'

/** How a handler that was run again has ended; `stuck`: what it waits for will not come. */
export type Ending = { readonly how: 'ended' | 'stuck' | 'late' } | { readonly how: 'threw'; readonly error: unknown }

export interface Difference {
  /** What the handler does. */
  readonly text: string
  readonly step?: string | undefined
  readonly cause?: unknown
}

/**
 * The first difference between what a handler asked for and what its job remembers. A step that is not remembered is none
 * as long as the handler goes on without it: it may have lost a race the first time.
 * @param asked kinds by name, in the order in which they were asked for
 */
export function differenceOf(
  { job, steps }: JobHistory,
  asked: ReadonlyMap<string, string>,
  ending: Ending,
): Difference | undefined {
  const known = new Map(steps.map((step) => [step.name, step]))
  for (const [name, kind] of asked) {
    const step = known.get(name)
    if (step && step.kind !== kind) return otherKind(step, kind)
  }
  const isCompleted = job.state === 'completed'
  const failed = steps.filter(({ kind }) => kind === 'group') // what is in one that failed is not asked for again
  const left = steps.find(({ name }) => !asked.has(name) && !failed.some((group) => isWithin(name, group.name)))
  const fresh = [...asked].find(([name]) => !known.has(name))
  if (ending.how === 'stuck' && fresh && (isCompleted || left)) return newStep(fresh, left)
  if (ending.how === 'threw' && isCompleted) return thrown(ending.error)
  if (left)
    return { text: `does not ask for ${called(left.name, left.kind)}, which it asked for before`, step: left.name }
  if (!isCompleted || ending.how === 'ended') return undefined
  const last = [...asked].findLast(([name]) => !isOver(known.get(name)))
  if (ending.how === 'stuck' && last)
    return { text: `waits for ${called(...last)}, which was not over when the job completed`, step: last[0] }
  return { text: 'does not end, though it has been given all that it asked for' }
}

function thrown(cause: unknown): Difference {
  const { name, message } = serializeError(cause)
  return { text: `throws ${name}: ${message}`, cause }
}

function otherKind({ name, kind }: HistoryStep, asked: string): Difference {
  return { text: `asks for ${called(name, asked)}, and it was ${kindName(kind)} before`, step: name }
}

function newStep([name, kind]: readonly [string, string], left: HistoryStep | undefined): Difference {
  const instead = left ? `; it asked for ${called(left.name, left.kind)} before` : ''
  return { text: `asks for ${called(name, kind)}, which it did not ask for before${instead}`, step: name }
}

function isOver(step: HistoryStep | undefined): boolean {
  return step?.state === 'done' || step?.state === 'failed'
}

function called(name: string, kind: string): string {
  return name.startsWith('!') ? name.slice(1) : `${show(name)}, ${kindName(kind)}`
}

function kindName(kind: string): string {
  return Object.hasOwn(kindNames, kind) ? kindNames[kind as keyof typeof kindNames] : kind
}

import type { UndoFacts } from '../core/durable.ts'
import type { Outcome } from '../core/outcome.ts'
import type { StepEntry } from '../store/queries/steps.ts'

export type Undo = (output: unknown, facts: UndoFacts) => unknown

/** Why a job is undone: the outcome it would have had. */
export type Verdict = Extract<Outcome, { kind: 'dead' | 'cancelled' }>

const verdictName = '!undo'

/** The undo of a step is a step itself. */
export function undoOf(step: string): string {
  return `${verdictName} ${step}`
}

/** What is stored of a step whose undo is a job of its own: the row of that job. */
export function callOf(step: string): string {
  return `!call ${step}`
}

/** Whether what a step holds is confirmed, or has lapsed. */
export function holdOf(step: string): string {
  return `!hold ${step}`
}

/** What a checkpoint is remembered as; a handler need not ask for it. */
export const checkpointName = '!checkpoint'

/** Whether an entry tells of undoing, and not of what the handler has asked for. */
export function isOfUndo(name: string): boolean {
  return name === verdictName || name.startsWith(undoOf('')) || name.startsWith(callOf(''))
}

/** Why this job is being undone, once that is decided; it does not change any more. */
export function verdictOf(known: ReadonlyMap<string, StepEntry>): Verdict | undefined {
  const entry = known.get(verdictName)
  return entry?.error as Verdict | undefined
}

/** The steps that have to be undone, the last that was begun first; what came before a commit stays. */
export function undoable(known: ReadonlyMap<string, StepEntry>): StepEntry[] {
  const entries = [...known.values()]
  const commits = entries.filter((entry) => entry.name.startsWith('!commit')).map((entry) => entry.place)
  const committed = Math.max(0, ...commits)
  return entries.filter((entry) => entry.undoable && entry.place > committed).toSorted((a, b) => b.place - a.place)
}

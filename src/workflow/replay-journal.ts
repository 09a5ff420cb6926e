import type { HistoryChild, HistoryStep, JobHistory } from '../store/history.ts'
import type { Member } from '../store/queries/batches.ts'
import type { StepEntry } from '../store/queries/steps.ts'
import type { Remembers } from './journal.ts'

/** With this entry no step of the handler begins. */
const nothingBegins = { name: 'Replay', message: 'run again', kind: 'cancelled', reason: 'run again' } as const

/** Remembers what a history tells, and writes nothing. */
export function replayJournal({ steps }: JobHistory): Remembers {
  const ended = steps.map((step, index) => ({ step, place: index + 1 })).toSorted(byEnd)
  const entries = new Map(ended.map(({ step, place }) => [step.name, entryOf(step, place)]))
  const undo = { name: '!undo', kind: 'step', state: 'done', failures: 0, error: nothingBegins } as const
  entries.set(undo.name, entryOf(undo, 0))
  const children = new Map(steps.map((step) => [step.name, step.children ?? []]))
  return {
    onWritten: () => undefined,
    load: () => Promise.resolve({ wakes: 0, steps: entries }),
    members: (batch, after, limit) =>
      Promise.resolve(
        (children.get(batch) ?? []).slice(after, after + limit).map((child, n) => memberOf(child, after + n + 1)),
      ),
    track: (work) => work,
    save: writesNothing,
    saveWith: writesNothing,
    waitingSignals: writesNothing,
    take: writesNothing,
    startChildren: writesNothing,
    batch: writesNothing,
    unwind: writesNothing,
  }
}

function byEnd(a: { readonly step: HistoryStep }, b: { readonly step: HistoryStep }): number {
  return (a.step.ended ?? Number.MAX_SAFE_INTEGER) - (b.step.ended ?? Number.MAX_SAFE_INTEGER)
}

const states = { running: 'begun', waiting: 'due', done: 'done', failed: 'failed' } as const

/** A list of children is looked up by the name of its step. */
function entryOf({ name, kind, state, failures, output, error, children }: HistoryStep, place: number): StepEntry {
  const isSleep = kind === 'sleep'
  const value = children ? { batch: name } : output
  return {
    name,
    kind,
    place,
    error,
    undoable: false,
    attempt: failures,
    state: isSleep ? 'due' : states[state],
    delay: isSleep ? (state === 'done' ? 0 : Infinity) : undefined,
    output: value === undefined ? null : JSON.stringify(value),
  }
}

function memberOf({ id, state, reason, output, error }: HistoryChild, place: number): Member {
  return {
    place,
    job: id,
    state,
    reason: reason ?? null,
    error: error ?? null,
    output: output === undefined ? null : JSON.stringify(output),
  }
}

function writesNothing(): Promise<never> {
  return Promise.reject(new Error('legwork: a replay writes nothing'))
}

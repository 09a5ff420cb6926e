import type { Queryable } from './connection.ts'
import { loadsOf, type Part } from './queries/loads.ts'
import { type NewState, writeStates } from './queries/schedules.ts'

/** States that one statement is about. */
const most = 1_000

type State = NewState & { readonly id: string }

/**
 * Writes how schedules stand now. One whose next instant may fire at several moments gets that in whose part of time the
 * fewest others are due; the first of those that are alike. What other transactions are about to write is not seen: that
 * the moments are few and chosen by chance keeps all processes from taking the same part.
 */
export async function placeAll(tx: Queryable, states: readonly State[]): Promise<void> {
  for (let at = 0; at < states.length; at += most) await writeStates(tx, await placed(tx, states.slice(at, at + most)))
}

async function placed(tx: Queryable, states: readonly State[]): Promise<readonly State[]> {
  const parts = states.flatMap(partsOf)
  if (parts.length === 0) return states
  const loads = await loadsOf(tx, parts)
  // what this statement is about to write is not in the table yet
  const own = new Times(states.flatMap(({ dueAt, choices }) => (dueAt && !choices ? [dueAt.getTime()] : [])))
  let at = 0
  return states.map((state) => {
    const choices = partsOf(state).map(({ from, to }) => (loads[at++] ?? 0) + own.between(from, to))
    const dueAt = state.choices?.moments[choices.indexOf(Math.min(...choices))] ?? state.dueAt
    if (dueAt && choices.length > 0) own.add(dueAt.getTime())
    return { ...state, dueAt }
  })
}

/** The parts in which the moments lie that a schedule may choose from. */
function partsOf({ id, choices }: State): Part[] {
  if (!choices) return []
  const { moments, part } = choices
  return moments.map((moment) => {
    const from = Math.floor(moment.getTime() / part) * part
    return { id, from, to: from + part }
  })
}

/** In their order. */
class Times {
  readonly #all: number[]

  constructor(all: readonly number[]) {
    this.#all = all.toSorted((a, b) => a - b)
  }

  add(time: number): void {
    this.#all.splice(this.#before(time), 0, time)
  }

  between(from: number, to: number): number {
    return this.#before(to) - this.#before(from)
  }

  /** How many are earlier. */
  #before(time: number): number {
    let low = 0
    let high = this.#all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#all[middle] ?? 0) < time) low = middle + 1
      else high = middle
    }
    return low
  }
}

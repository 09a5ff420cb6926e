import { expect } from 'vitest'
import { allows, isFinal, type State, type Transition, transitions } from '../../../src/core/states.ts'
import type { TestDatabase } from '../../support/database.ts'
import type { Draft } from './command.ts'

/** A job as the database shows it. */
export interface Seen {
  readonly id: string
  readonly state: State
  readonly claim: number
  readonly attempt: number
  readonly crashes: number
}

/** A job as the history expects it. */
export interface Known {
  readonly id: string
  readonly draft: Draft
  /** Place among the jobs of its key. */
  line: number
  /** The number of the command that made it ready. */
  rank: number
  attempt: number
  crashes: number
  completions: number
}

/** What a command may do: by which rules jobs may move, and which ones beside those whose key is involved. */
export interface Allowed {
  readonly events: readonly Transition[]
  readonly ids?: readonly string[]
}

const byKey: readonly Transition[] = ['block', 'unblock']

/** What the history knows, and the rules that every observation is held against. */
export class Model {
  readonly jobs = new Map<string, Known>()
  /** Which job has each key: from its claim to its end, also while it waits to be retried. */
  readonly holders = new Map<string, string>()
  /**
   * By key: the job that was given the key and has not begun yet. Two, when between two looks another one may have come to
   * stand before it: before the key was given, or after.
   */
  readonly called = new Map<string, readonly string[]>()
  seen: ReadonlyMap<string, Seen> = new Map()
  command = 0
  #line = 0

  add(id: string, draft: Draft): void {
    const known = { id, draft, line: ++this.#line, rank: this.command, attempt: 0, crashes: 0, completions: 0 }
    expect(this.jobs.has(id), `id ${id} is new`).toBe(false)
    this.jobs.set(id, known)
  }

  known(id: string): Known {
    const job = this.jobs.get(id)
    if (!job) throw new Error(`The store named a job that nobody added: ${id}`)
    return job
  }

  stateOf(id: string): State | undefined {
    return this.seen.get(id)?.state
  }

  /** Goes to the end of its key's line with all its attempts. */
  begunAgain(id: string): void {
    const job = this.known(id)
    Object.assign(job, { line: ++this.#line, attempt: 0, crashes: 0 })
  }

  /** Takes a new look and checks every move since the last one. */
  observe(rows: readonly Seen[], { events, ids }: Allowed): void {
    const before = this.seen
    this.seen = new Map(rows.map((row) => [row.id, row]))
    expect(rows.length, 'every job is there exactly once').toBe(this.jobs.size)
    expect(this.seen.size).toBe(this.jobs.size)
    for (const row of rows) this.#check(before.get(row.id), row, events, ids)
    this.#checkKeys(before, events)
    this.#checkUnique()
  }

  #check(
    before: Seen | undefined,
    after: Seen,
    events: readonly Transition[],
    ids: readonly string[] | undefined,
  ): void {
    const job = this.known(after.id)
    if (after.state === 'ready' && before?.state !== 'ready') job.rank = this.command
    if (before && before.state !== after.state) {
      const found = events.filter((event) => allows(event, before.state, after.state))
      expect(found, `job ${after.id} went from ${before.state} to ${after.state}`).not.toEqual([])
      const own = ids === undefined || ids.includes(after.id)
      if (!own)
        expect(
          found.some((event) => byKey.includes(event)),
          `job ${after.id} moved though it was not named`,
        ).toBe(true)
    }
    if (before) expect(after.claim, `claim of job ${after.id}`).toBeGreaterThanOrEqual(before.claim)
    expect({ attempt: after.attempt, crashes: after.crashes }, `job ${after.id}, ${after.state}`).toEqual({
      attempt: job.attempt,
      crashes: job.crashes,
    })
    if (before?.state !== 'completed' && after.state === 'completed') job.completions++
    expect(job.completions).toBeLessThanOrEqual(1)
    if (before && isFinal(before.state) && !transitions.redrive.from.some((state) => state === before.state))
      expect(after).toEqual(before)
  }

  /** One at a time per key and in line; a job that ended holds nothing. */
  #checkKeys(before: ReadonlyMap<string, Seen>, events: readonly Transition[]): void {
    if (events.includes('unblock')) this.#callForMarks(before)
    for (const [key, ids] of this.called)
      if (ids.some((id) => !waits(this.stateOf(id)) && this.stateOf(id) !== 'running')) this.#call(key, before)
    for (const [key, id] of this.holders) {
      if (!isFinal(this.seen.get(id)!.state)) continue
      this.holders.delete(key)
      this.#call(key, before)
    }
    for (const job of this.jobs.values()) {
      if (job.draft.key === undefined) continue
      const key = keyOf(job.draft)
      const began = this.stateOf(job.id) === 'running' && before.get(job.id)?.state !== 'running'
      if (this.stateOf(job.id) === 'running' && !began) expect(this.holders.get(key), `holder of ${key}`).toBe(job.id)
      if (began) this.#checkTurn(job, key, before)
    }
  }

  #checkTurn(job: Known, key: string, before: ReadonlyMap<string, Seen>): void {
    const holder = this.holders.get(key)
    if (holder !== undefined) expect(holder, `${key} is held`).toBe(job.id)
    this.holders.set(key, job.id)
    if (holder === job.id) return
    const called = this.called.get(key)
    this.called.delete(key)
    if (called?.includes(job.id)) return
    const waiting = [...this.jobs.values()].filter((other) => {
      const state = before.get(other.id)?.state
      return keyOf(other.draft) === key && (state === 'ready' || state === 'blocked')
    })
    expect(Math.min(...waiting.map((other) => other.line)), `first in line of ${key}`).toBe(job.line)
  }

  /** A job is blocked and nobody has its key: a claim met it out of turn and left a mark, by which the key is given now. */
  #callForMarks(before: ReadonlyMap<string, Seen>): void {
    for (const { id, draft } of this.jobs.values()) {
      if (draft.key === undefined || before.get(id)?.state !== 'blocked') continue
      const key = keyOf(draft)
      if (!this.holders.has(key) && !this.called.has(key)) this.#call(key, before)
    }
  }

  /** A key that becomes free is given to the first in line; who comes to stand before that one later is too late. */
  #call(key: string, before: ReadonlyMap<string, Seen>): void {
    const line = [...this.jobs.values()]
      .filter(({ id, draft }) => keyOf(draft) === key && waits(this.stateOf(id)))
      .toSorted((a, b) => a.line - b.line)
    const [first] = line
    const stood = line.find(({ id }) => waits(before.get(id)?.state))
    this.called.set(
      key,
      [first, stood].flatMap((job) => job?.id ?? []),
    )
  }

  #checkUnique(): void {
    const taken = new Set<string>()
    for (const job of this.jobs.values()) {
      if (job.draft.unique === undefined || isFinal(this.stateOf(job.id)!)) continue
      const unique = `${job.draft.name} ${job.draft.unique}`
      expect(taken.has(unique), `a second unfinished job with ${unique}`).toBe(false)
      taken.add(unique)
    }
  }

  /** The unfinished job that has this unique key. */
  holderOfUnique(draft: Draft): Known | undefined {
    if (draft.unique === undefined) return undefined
    return [...this.jobs.values()].find(
      (job) =>
        job.draft.name === draft.name && job.draft.unique === draft.unique && !isFinal(this.stateOf(job.id) ?? 'ready'),
    )
  }
}

function waits(state: State | undefined): boolean {
  return state === 'ready' || state === 'blocked'
}

export function keyOf(draft: Draft): string {
  return `${draft.name}/${draft.key}`
}

/** An embedded database plans a statement each time it is sent; inside a function the plan is kept. */
export async function prepareLooks(database: TestDatabase): Promise<void> {
  await database.query(
    `create or replace function legwork.test_look(above bigint)
       returns table (id bigint, state text, claim int, attempt smallint, crashes smallint) language plpgsql
       set plan_cache_mode = force_generic_plan as $$
     begin
       return query select j.id, j.state, j.claim, j.attempt, j.crashes from legwork.jobs j where j.slot = 0 and j.id > above;
     end $$`,
  )
}

/** The jobs of one history: those above the last id of the one before. */
export function lookAt(database: TestDatabase, above: string): Promise<Seen[]> {
  return database.query<Seen & Record<string, unknown>>('select * from legwork.test_look($1)', [above])
}

import { expect } from 'vitest'
import type { Claimed } from '../../../src/store/queries/claim.ts'
import type { ClaimedJob } from '../../../src/store/queries/claimed-job.ts'
import type { Ending, Return } from '../../../src/store/queries/settle.ts'
import { endingOf, type StoreBench } from '../support.ts'
import type { End } from './command.ts'
import type { Known, Model } from './model.ts'

/** A running job without a lease row could never be rescued. */
export async function checkLeases({ database }: StoreBench): Promise<void> {
  const stuck = await database.query(
    `select j.id from legwork.job j where j.worker_id is not null
        and not exists (select from legwork.lease l where l.worker_id = j.worker_id and j.id = any(l.ids))`,
  )
  expect(stuck, 'running jobs that no lease names').toEqual([])
}

export async function checkCounters({ database, store }: StoreBench): Promise<void> {
  const rows = await database.query<{ queue: string; state: string; n: number }>(
    'select queue, state, count(*)::int as n from legwork.jobs group by 1, 2',
  )
  for (const { name, counts } of await store.queueStatus()) {
    const real = Object.fromEntries(rows.filter((row) => row.queue === name).map((row) => [row.state, row.n]))
    const shown = Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0))
    expect(shown, `counters of ${name}`).toEqual(real)
  }
}

/** What a claim took, against all jobs that it might take. */
export function checkClaim(model: Model, { jobs, parked }: Claimed, waiting: readonly Known[], limit: number): void {
  expect(jobs.length + parked, 'a claim takes what it may').toBe(Math.min(limit, waiting.length))
  for (const job of jobs) {
    const known = waiting.find((other) => other.id === job.id)
    expect(known, `job ${job.id} was ready for this claim`).toBeDefined()
    if (known) known.attempt++
    expect({ attempt: job.attempt, crashes: job.crashes }).toEqual({ attempt: known?.attempt, crashes: known?.crashes })
  }
  if (parked === 0) checkOrder(model, jobs, waiting)
}

/** Those of the jobs whose cancel was asked for. */
export async function cancelsAsked({ database }: StoreBench, ids: readonly string[]): Promise<Set<string>> {
  const rows = await database.query<{ id: string }>(
    'select id from legwork.job where slot = 0 and id = any($1::bigint[]) and cancel_at is not null',
    [ids],
  )
  return new Set(rows.map((row) => row.id))
}

/** No job that was left behind was ready before one of its lane that was taken. */
function checkOrder(model: Model, taken: readonly ClaimedJob[], waiting: readonly Known[]): void {
  const left = waiting.filter((other) => !taken.some((job) => job.id === other.id))
  for (const job of taken.map(({ id }) => model.known(id))) {
    const sameLane = left.filter(
      ({ draft }) => draft.queue === job.draft.queue && draft.priority === job.draft.priority,
    )
    const overtaken = sameLane.filter((other) => other.rank < job.rank).map((other) => other.id)
    expect(overtaken, `overtaken by ${job.id}`).toEqual([])
  }
}

/** The suspect a worker was running when it died: it runs one at a time. */
export function suspectOf(jobs: readonly Known[]): Known | undefined {
  return jobs.find((job) => job.crashes > 0)
}

/** Counts a crash for the jobs of one dead worker that are new to it, and for the suspect that ran. Returns who is blamed. */
export function blame(jobs: readonly Known[]): readonly Known[] {
  const suspect = suspectOf(jobs)
  const blamed = jobs.filter((job) => job.crashes === 0 || job === suspect)
  for (const job of blamed) job.crashes++
  return blamed
}

export function toEnding(job: ClaimedJob, end: End): Ending[] {
  return end === 'completed' || end === 'dead' || end === 'cancelled' ? [endingOf(job, end)] : []
}

export function toReturn({ id, claim }: ClaimedJob, end: End): Return[] {
  const rest = { id, claim, error: null }
  if (end === 'retry') return [{ ...rest, outcome: 'retry', delay: 0 }]
  if (end === 'retry later') return [{ ...rest, outcome: 'retry', delay: 3_000 }]
  if (end === 'snooze') return [{ ...rest, outcome: 'snooze', delay: 2_000 }]
  return end === 'released' ? [{ ...rest, outcome: 'released', delay: 0 }] : []
}

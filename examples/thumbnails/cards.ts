import { type JobRecord, LegworkError } from 'legwork'
import { app } from './app.ts'
import { notify, thumbnails, uploaded } from './jobs.ts'
import type { Photo } from './photos.ts'

export type CardState = 'waiting' | 'working' | 'retrying' | 'done' | 'failed'

interface JobLine {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly attempt: number
  readonly attempts: number
  readonly ms: number | null
  readonly error: string | null
}

/** A photo as the page shows it. */
export interface Card {
  readonly id: string
  readonly name: string
  readonly bytes: number
  readonly width: number | null
  readonly height: number | null
  readonly state: CardState
  readonly percent: number
  readonly files: readonly {
    readonly url: string
    readonly width: number
    readonly height: number
    readonly bytes: number
  }[]
  readonly jobs: readonly JobLine[]
}

export async function cardOf(photo: Photo): Promise<Card> {
  const records = (await Promise.all(photo.jobs.map(recordOf))).filter((job) => job !== undefined)
  const { id, name, bytes, width, height } = photo
  return {
    id,
    name,
    bytes,
    width,
    height,
    state: stateOf(photo, records),
    percent: photo.done ? 100 : percentOf(records),
    files: photo.files.map(({ name: _name, ...file }) => ({ ...file, url: `/photos/${id}/${widthIn(_name)}.webp` })),
    jobs: await Promise.all(records.map(lineOf)),
  }
}

/** The job, unless its history has been pruned. */
export async function recordOf(id: string): Promise<JobRecord | undefined> {
  try {
    return await app.lw.ref(id).status()
  } catch (error) {
    if (error instanceof LegworkError && error.code === 'LW_JOB_NOT_FOUND') return undefined
    throw error
  }
}

function stateOf(photo: Photo, jobs: readonly JobRecord[]): CardState {
  if (jobs.some((job) => job.state === 'dead' || job.state === 'cancelled')) return 'failed'
  if (jobs.some((job) => job.state === 'scheduled')) return 'retrying'
  if (photo.done) return 'done'
  return jobs.some((job) => job.state === 'running') ? 'working' : 'waiting'
}

function percentOf(jobs: readonly JobRecord[]): number {
  const progress = jobs.find((job) => job.name === thumbnails.name)?.progress
  return typeof progress === 'object' && progress !== null && 'percent' in progress ? Number(progress.percent) : 0
}

async function lineOf(job: JobRecord): Promise<JobLine> {
  const allowed = [uploaded, thumbnails, notify].find(({ name }) => name === job.name)?.retry.attempts ?? job.attempt
  const tried = job.attempt > 1 || job.state === 'scheduled' ? await app.lw.ref(job.id).attempts() : []
  return {
    id: job.id,
    name: job.name,
    state: job.state,
    attempt: job.attempt,
    attempts: allowed,
    ms: job.finishedAt && job.startedAt ? job.finishedAt.getTime() - job.startedAt.getTime() : null,
    error: (job.error ?? tried.at(-1)?.error)?.message ?? null,
  }
}

function widthIn(name: string): number {
  return Number(/-(\d+)\.webp$/.exec(name)?.[1])
}

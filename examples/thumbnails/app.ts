import type { Legwork } from 'legwork'
import type { Blobs } from './blobs.ts'
import type { Database } from './database.ts'
import type { Photos } from './photos.ts'

/** What the jobs and the server work with. */
export interface App {
  readonly lw: Legwork
  readonly db: Database
  readonly photos: Photos
  readonly blobs: Blobs
  /** Tells the user something. */
  readonly tell: (message: string) => void
}

/** Filled in by main.ts before the first job runs. */
export const app = {} as App

import type { Database, Queryable } from './database.ts'
import type { Original, Thumbnail } from './image.ts'

/** A row of the application's own table. */
export interface Photo {
  /** The start of the SHA-256 of its bytes: the same photo is the same row. */
  readonly id: string
  readonly name: string
  readonly bytes: number
  readonly width: number | null
  readonly height: number | null
  readonly files: readonly Thumbnail[]
  /** The jobs about it, oldest first. */
  readonly jobs: readonly string[]
  readonly done: boolean
}

const columns = 'id, name, bytes, width, height, files, jobs, done_at is not null as done'

export class Photos {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  async createTable(): Promise<void> {
    await this.#db.query('create schema if not exists gallery')
    await this.#db.query(`create table if not exists gallery.photo (
      id text primary key,
      name text not null,
      bytes int not null,
      width int,
      height int,
      files jsonb not null default '[]',
      jobs text[] not null default '{}',
      added_at timestamptz not null default now(),
      done_at timestamptz
    )`)
  }

  /** Adds the photo, or starts it afresh. */
  async add(tx: Queryable, { id, name, bytes }: Pick<Photo, 'id' | 'name' | 'bytes'>): Promise<void> {
    await tx.query(
      `insert into gallery.photo (id, name, bytes) values ($1, $2, $3)
       on conflict (id) do update set name = excluded.name, files = '[]', jobs = '{}', added_at = now(), done_at = null`,
      [id, name, bytes],
    )
  }

  async addJob(tx: Queryable, id: string, job: string): Promise<void> {
    await tx.query('update gallery.photo set jobs = array_append(array_remove(jobs, $2), $2) where id = $1', [id, job])
  }

  async setFiles(tx: Queryable, id: string, size: Original, files: readonly Thumbnail[]): Promise<void> {
    const values = [id, size.width, size.height, JSON.stringify(files)]
    await tx.query('update gallery.photo set width = $2, height = $3, files = $4::jsonb where id = $1', values)
  }

  async finish(tx: Queryable, id: string): Promise<void> {
    await tx.query('update gallery.photo set done_at = now() where id = $1', [id])
  }

  async find(id: string): Promise<Photo | undefined> {
    const { rows } = await this.#db.query(`select ${columns} from gallery.photo where id = $1`, [id])
    return rows[0] as Photo | undefined
  }

  async newest(limit: number): Promise<Photo[]> {
    const text = `select ${columns} from gallery.photo order by added_at desc, id limit $1`
    return (await this.#db.query(text, [limit])).rows as Photo[]
  }
}

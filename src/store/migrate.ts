import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { LegworkError } from '../core/errors.ts'
import { type Connection, once, type Queryable, repeatable } from './connection.ts'

interface Migration {
  readonly id: number
  readonly name: string
  readonly text: string
  readonly checksum: string
}

/** Any constant will do; it is the same for every version so that old and new processes wait for each other. */
const lockKey = 6_235_701_201

/* From the catalog itself: to_regclass() may answer from what this session remembers from before it waited for the lock. */
const hasTable = repeatable(
  'lw_migration_table',
  `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'legwork' and c.relname = 'migration') as found`,
)
const listApplied = repeatable('lw_migration_list', 'select id, name, checksum from legwork.migration order by id')
const record = once('lw_migration_record', 'insert into legwork.migration (id, name, checksum) values ($1, $2, $3)')

/**
 * Brings the schema up to date. Safe when many processes start at once: they wait for one another, and those that
 * come later find nothing to do.
 * @returns the names applied by this call
 * @throws LW_SCHEMA_NEWER, LW_SCHEMA_CHANGED, LW_MIGRATION_FAILED; nothing is half applied
 */
export async function migrate(connection: Connection): Promise<readonly string[]> {
  const migrations = await readMigrations()
  if ((await pending(connection, migrations)).length === 0) return []
  return connection.transaction(async (tx) => {
    // others may be applying a long one; ours may be long too
    await tx.script("set local statement_timeout = '10min'")
    await tx.script(`select pg_advisory_xact_lock(${lockKey})`)
    const todo = await pending(tx, migrations)
    await tx.script(`
      create schema if not exists legwork;
      create table if not exists legwork.migration (
        id int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now());`)
    for (const migration of todo) await apply(tx, migration)
    return todo.map((migration) => migration.name)
  })
}

async function readMigrations(): Promise<Migration[]> {
  const folder = new URL('../../sql/', import.meta.url)
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8')
      return { id: Number(name.slice(0, 4)), name, text, checksum: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

async function pending(on: Queryable, migrations: readonly Migration[]): Promise<Migration[]> {
  const [table] = await on.query<{ found: boolean }>(hasTable, [])
  if (!table?.found) return [...migrations]
  const applied = await on.query<{ id: number; name: string; checksum: string }>(listApplied, [])
  for (const row of applied) check(row, migrations)
  return migrations.filter((migration) => !applied.some((row) => row.id === migration.id))
}

function check(row: { id: number; name: string; checksum: string }, migrations: readonly Migration[]): void {
  const known = migrations.find((migration) => migration.id === row.id)
  if (!known) {
    throw new LegworkError(
      'LW_SCHEMA_NEWER',
      `The database has migration ${row.name}; this version of legwork knows up to ${migrations.at(-1)?.name}.`,
      {
        hint: 'Upgrade legwork in this process; the database cannot go back.',
        details: { found: row.name, known: migrations.at(-1)?.name },
      },
    )
  }
  if (known.checksum !== row.checksum) {
    throw new LegworkError(
      'LW_SCHEMA_CHANGED',
      `Migration ${row.name} was applied with another text than this version has.`,
      {
        hint: 'Use the released package, unmodified; a development database can be deleted and made again.',
        details: { migration: row.name },
      },
    )
  }
}

async function apply(tx: Queryable, migration: Migration): Promise<void> {
  try {
    await tx.script(migration.text)
    await tx.query(record, [migration.id, migration.name, migration.checksum])
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LegworkError('LW_MIGRATION_FAILED', `Migration ${migration.name} failed and was rolled back: ${why}.`, {
      hint: 'The database role must be allowed to create schemas and tables.',
      cause,
    })
  }
}

import { readdir, readFile } from 'node:fs/promises'

const folder = new URL('../../sql/', import.meta.url)

/** Brings an empty database to the newest schema. */
export async function applyMigrations(execute: (sql: string) => Promise<unknown>): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  await execute('create schema legwork')
  for (const file of files) await applyFile(file, execute)
}

async function applyFile(file: string, execute: (sql: string) => Promise<unknown>): Promise<void> {
  try {
    await execute(await readFile(new URL(file, folder), 'utf8'))
  } catch (error) {
    // Both drivers put the whole statement into the error, which here is the whole file.
    throw new Error(`sql/${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

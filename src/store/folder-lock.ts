import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { LegworkError } from '../core/errors.ts'

interface Holder {
  readonly pid: number
  readonly host: string
  /** Start time of the process as the kernel tells it, so that a reused pid is not taken for the holder. */
  readonly born: string
  readonly since: string
}

/**
 * Makes this process the only one that opens `folder`. The lock of a process that has died is taken over.
 * @returns a function that gives the lock back
 * @throws LW_DATABASE_LOCKED naming the holder
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = `${folder}.lock`
  const mine: Holder = {
    pid: process.pid,
    host: hostname(),
    born: await bornOf(process.pid),
    since: new Date().toISOString(),
  }
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`
  await writeFile(draft, JSON.stringify(mine))
  try {
    for (let tries = 0; tries < 10; tries++) {
      if (await linked(draft, path)) return () => rm(path, { force: true })
      const holder = await readHolder(path)
      if (holder && (await isAlive(holder))) throw locked(folder, holder)
      if (holder) await removeStale(path, holder)
    }
    throw locked(folder, undefined)
  } finally {
    await rm(draft, { force: true })
  }
}

/** A hard link is created whole or not at all, so two processes cannot both get it, nor read half a file. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined // given back meanwhile
    return { pid: -1, host: hostname(), born: '', since: '' } // not ours or damaged: nobody alive
  }
}

/** Takes the dead holder's file away under another name first: of several that try, only one renames it. */
async function removeStale(path: string, holder: Holder): Promise<void> {
  const aside = `${path}.stale.${process.pid}.${Math.random().toString(36).slice(2)}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const moved = await readHolder(aside)
  // Somebody took the dead lock over between our look and our rename: give theirs back.
  if (moved && (moved.pid !== holder.pid || moved.born !== holder.born)) await linked(aside, path)
  await rm(aside, { force: true })
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true // another machine's process cannot be asked; a person must decide
  if (holder.pid === process.pid) return holder.born === (await bornOf(process.pid))
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  const born = await bornOf(holder.pid)
  return born === '' || holder.born === '' || born === holder.born
}

/** Field 22 of /proc/pid/stat; empty where there is no /proc, then the pid alone decides. */
async function bornOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function locked(folder: string, holder: Holder | undefined): LegworkError {
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'another process'
  return new LegworkError('LW_DATABASE_LOCKED', `The embedded database ${folder} is open in ${who}.`, {
    hint: 'Only one process may open it: stop that one, choose another folder, or set DATABASE_URL to share a PostgreSQL server.',
    details: { folder, ...holder },
  })
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

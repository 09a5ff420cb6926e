import { appendFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LegworkError } from '../core/errors.ts'

interface Holder {
  readonly pid: number
  readonly host: string
  /** Start time of the process as the kernel tells it, so that a reused pid is not taken for the holder. */
  readonly born: string
  readonly since: string
}

/** A process that has the lock or asks for it, by its file. */
interface Rival extends Holder {
  readonly file: string
  readonly has: boolean
}

/** How long two that ask at the same moment may take to agree, milliseconds. */
const patience = 5_000
const holding = '\nheld'

/**
 * Makes this process the only one that opens `folder`. The lock of a process that has died is taken over.
 *
 * Each process that asks puts a file of its own beside the folder and then looks at the others: of two, the later one
 * must see the earlier. A name is never used twice, so that what a dead process left can be removed without a doubt.
 * @returns a function that gives the lock back
 * @throws LW_DATABASE_LOCKED naming the holder
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const { born } = await lifeOf(process.pid)
  for (const deadline = Date.now() + patience; ;) {
    const file = await publish(folder, { pid: process.pid, host: hostname(), born, since: new Date().toISOString() })
    let rivals: Rival[] = []
    try {
      // The first in line stays and waits for the others to step back.
      for (let first = true; first && Date.now() < deadline;) {
        rivals = await rivalsOf(folder, file)
        if (rivals.length === 0) return await held(file)
        first = rivals.every((rival) => !rival.has && file < rival.file)
        if (first) await sleep(5)
      }
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
    await rm(file, { force: true })
    const holder = rivals.find((rival) => rival.has)
    if (holder || Date.now() >= deadline) throw locked(folder, holder ?? rivals[0])
    await sleep(10 + Math.random() * 20)
  }
}

/** Puts our file beside the folder, whole or not at all: nobody may read half of it. */
async function publish(folder: string, holder: Holder): Promise<string> {
  const unique = `${process.pid}.${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`
  const file = `${folder}.lock.${unique}`
  const draft = `${folder}.draft.${unique}`
  await writeFile(draft, JSON.stringify(holder))
  await rename(draft, file)
  return file
}

async function held(file: string): Promise<() => Promise<void>> {
  await appendFile(file, holding)
  return () => rm(file, { force: true })
}

/** The living processes besides us that have the lock or ask for it; files of dead ones are removed. */
async function rivalsOf(folder: string, own: string): Promise<Rival[]> {
  const prefix = `${basename(folder)}.lock.`
  const names = (await readdir(dirname(folder))).filter((name) => name.startsWith(prefix))
  const files = names.map((name) => join(dirname(folder), name)).filter((file) => file !== own)
  const rivals: Rival[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) continue // stepped back meanwhile
    const holder = holderOf(text)
    if (holder && (await isAlive(holder))) rivals.push({ ...holder, file, has: text.endsWith(holding) })
    else await rm(file, { force: true })
  }
  return rivals
}

/** Undefined for a damaged file: no living process leaves one. */
function holderOf(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text.split('\n', 1)[0] ?? '') as Partial<Holder> | null
    const whole = typeof holder?.pid === 'number' && holder.pid > 0 && typeof holder.host === 'string'
    return whole ? ({ born: '', since: '', ...holder } as Holder) : undefined
  } catch {
    return undefined
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true // another machine's process cannot be asked; a person must decide
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  const { born, ended } = await lifeOf(holder.pid)
  return !ended && (born === '' || holder.born === '' || born === holder.born)
}

/**
 * Fields 22 and 3 of /proc/pid/stat: when the process began, and whether it has ended and only waits for its parent to
 * take note. Where there is no /proc the pid alone decides.
 */
async function lifeOf(pid: number): Promise<{ born: string; ended: boolean }> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { born: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' }
  } catch {
    return { born: '', ended: false }
  }
}

function locked(folder: string, holder: Holder | undefined): LegworkError {
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'another process'
  const { pid, host, since } = holder ?? {}
  return new LegworkError('LW_DATABASE_LOCKED', `The embedded database ${folder} is open in ${who}.`, {
    hint: 'Only one process may open it: stop that one, choose another folder, or set DATABASE_URL to share a PostgreSQL server.',
    details: { folder, pid, host, since },
  })
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

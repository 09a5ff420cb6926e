import { readFile, rm, writeFile } from 'node:fs/promises'
import { UsageError } from '../support/program.ts'

/**
 * Keeps a second process out of the folder: two that open one embedded database would damage it.
 * @throws UsageError
 */
export async function lock(folder: string): Promise<() => Promise<void>> {
  const path = `${folder}.lock`
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' })
      return () => rm(path, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''))
    if (holder > 0 && isAlive(holder)) {
      throw new UsageError(`Another run is using ${folder} (process ${holder}). Stop it first, or set DATABASE_URL.`)
    }
    await rm(path, { force: true }) // left behind by a process that was killed
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

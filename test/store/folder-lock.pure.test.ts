import { spawnSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockFolder } from '../../src/store/folder-lock.ts'
import { run } from '../chaos/processes.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const script = '../store/folder-lock-process.ts'

/** A folder to lock, inside one that is removed with everything beside it. */
async function folderToLock(): Promise<string> {
  const folder = await temporaryFolder('lock')
  onTestFinished(() => folder.remove())
  return `${folder.path}/db`
}

/** What lies around besides the folder itself. */
function besides(folder: string): Promise<string[]> {
  return readdir(dirname(folder))
}

/** The lock file of a process that has ended. */
function deadLock(): string {
  const { pid } = spawnSync(process.execPath, ['--eval', ''])
  return JSON.stringify({ pid, host: hostname(), born: '1', since: new Date().toISOString() })
}

test('one holder at a time, and the next one after it gave the lock back', async () => {
  const folder = await folderToLock()
  const release = await lockFolder(folder)
  await expect(lockFolder(folder)).rejects.toMatchObject({
    code: 'LW_DATABASE_LOCKED',
    message: expect.stringContaining(`process ${process.pid}`),
    details: { folder, pid: process.pid },
  })
  await release()
  await (
    await lockFolder(folder)
  )()
  expect(await besides(folder)).toEqual([])
})

test('another process is refused and told who has it; after a kill it gets it', { timeout: 60_000 }, async () => {
  const folder = await folderToLock()
  const holder = run(script, folder)
  await holder.said('ready')
  holder.tell('lock')
  await holder.said('1 locked')
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'LW_DATABASE_LOCKED', details: { pid: holder.pid } })
  holder.kill()
  await holder.ended
  await (
    await lockFolder(folder)
  )()
  expect(await besides(folder)).toEqual([])
})

test('a pid that belongs to a younger process does not keep the lock', async () => {
  const folder = await folderToLock()
  const old = { pid: process.ppid, host: hostname(), born: '1', since: '' }
  await writeFile(`${folder}.lock.7.old`, `${JSON.stringify(old)}\nheld`)
  await expect(lockFolder(folder)).resolves.toBeTypeOf('function')
})

test('a lock of another machine is respected', async () => {
  const folder = await folderToLock()
  await writeFile(
    `${folder}.lock.7.old`,
    `${JSON.stringify({ pid: 1, host: 'elsewhere', born: '1', since: '2026' })}\nheld`,
  )
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'LW_DATABASE_LOCKED', details: { host: 'elsewhere' } })
})

test.each(['', '{"pid":', '{}', 'null', '7', '{"pid":"x","host":null}'])(
  'a damaged lock file is taken over: %s',
  async (text) => {
    const folder = await folderToLock()
    await writeFile(`${folder}.lock.7.old`, text)
    const release = await lockFolder(folder)
    await expect(lockFolder(folder)).rejects.toMatchObject({
      code: 'LW_DATABASE_LOCKED',
      details: { pid: process.pid },
    })
    await release()
  },
)

test('of many that race for the lock of a dead process one gets it', async () => {
  const folder = await folderToLock()
  const dead = deadLock()
  for (let round = 0; round < 60; round++) {
    await writeFile(`${folder}.lock.7.old`, dead)
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)))
    const won = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(won, `round ${round}`).toHaveLength(1)
    await won[0]!()
  }
  expect(await besides(folder)).toEqual([])
})

test('also when they are processes', { timeout: 120_000 }, async () => {
  const folder = await folderToLock()
  const dead = deadLock()
  const racers = Array.from({ length: 4 }, () => run(script, folder))
  await Promise.all(racers.map((racer) => racer.said('ready')))
  for (let round = 1; round <= 40; round++) {
    await writeFile(`${folder}.lock.7.old`, dead)
    for (const racer of racers) racer.tell('lock')
    const answers = await Promise.all(racers.map((racer) => racer.said((line) => line.startsWith(`${round} `))))
    expect(
      answers.filter((answer) => answer.endsWith('locked')),
      `round ${round}`,
    ).toHaveLength(1)
    for (const racer of racers) racer.tell('release')
    await Promise.all(racers.map((racer) => racer.said(`${round} released`)))
  }
})

import { createInterface } from 'node:readline'
import { LegworkError } from '../../src/index.ts'
import { lockFolder } from '../../src/store/folder-lock.ts'

// Does what it is told on its standard input: lock (answers `locked` or `refused by <pid>`), release (answers `released`).
const folder = process.argv[2] ?? ''
let release: (() => Promise<void>) | undefined
let round = 0

async function obey(order: string): Promise<string> {
  if (order === 'lock') {
    round++
    try {
      release = await lockFolder(folder)
      return `${round} locked`
    } catch (error) {
      if (!(error instanceof LegworkError) || error.code !== 'LW_DATABASE_LOCKED') throw error
      return `${round} refused by ${String(error.details['pid'])}`
    }
  }
  await release?.()
  return `${round} released`
}

createInterface({ input: process.stdin }).on('line', (order) => {
  void obey(order).then((answer) => process.stdout.write(`${answer}\n`))
})
process.stdout.write('ready\n')

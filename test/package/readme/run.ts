// Runs the code samples of the documents, page by page, in one process: `tsx run.ts <folder>`.

import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import type { Sample } from './samples.ts'

const folder = process.argv[2] ?? '.'
const samples = JSON.parse(await readFile(join(folder, 'samples.json'), 'utf8')) as Sample[]

// Setting up a cluster takes seconds; a copy of one does not.
const seed = join(folder, 'seed')
await (await PGlite.create(seed)).close()
process.env['LEGWORK_DOCS_DATABASE'] = await copyOf('given')
const { lw, pglite } = await import('./given.ts')

for (const { page, file, language, text, run } of samples) {
  if (!run) continue
  process.chdir(join(folder, page))
  try {
    if (language === 'sql') await pglite.exec(text)
    else await runModule(page, file, text)
  } catch (error) {
    throw new Error(`Sample ${page}/${file} failed:\n\n${text}\n`, { cause: error })
  }
}
await lw.close()
await pglite.close()
process.exit(0) // samples leave open what programs would keep

async function runModule(page: string, file: string, text: string): Promise<void> {
  if (text.includes('./data/app')) await copyOf(join(page, 'data/app'))
  else if (text.includes('legwork({') && !text.includes('pglite')) await copyOf(join(page, '.legwork/db'))
  await import(pathToFileURL(join(folder, page, file)).href)
}

async function copyOf(path: string): Promise<string> {
  await cp(seed, join(folder, path), { recursive: true, force: false })
  return join(folder, path)
}

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bin, exitOnError, isMain, must, root } from './process.mjs'

const stamp = join(root, 'node_modules/.legwork-build')

/** Compiles src/ into a clean dist/. */
export async function build() {
  rmSync(stamp, { force: true })
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const sources = sourceHash()
  await must(bin('tsc'), ['-p', 'tsconfig.build.json'])
  writeFileSync(stamp, sources)
}

/** True when dist/ was built from exactly the sources that are there now. */
export function isBuilt() {
  return existsSync(join(root, 'dist')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceHash()
}

// Content, not dates: a checkout or a copy gives every file a new date.
function sourceHash() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'tsconfig.json', 'tsconfig.build.json', ...filesUnder('src')]) {
    hash.update(file).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

function filesUnder(folder) {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.map((file) => file.slice(root.length)).toSorted()
}

if (isMain(import.meta)) build().catch(exitOnError)

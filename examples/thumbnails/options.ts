import { readdir } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { UsageError } from '../support/program.ts'

export const help = `
Usage: npm start -- [options]

Makes thumbnails of photographs as background jobs and shows them on a status page.

  --photos DIR   use the photographs in DIR instead of the samples
  --once         do the work, print the summary and exit: 0 when every photo is done, 1 when not
  --no-hiccup    leave out the simulated storage hiccup that shows a retry
  --help         print this

Everything is kept in .legwork/thumbnails. Set DATABASE_URL to use a PostgreSQL server
instead of the embedded database.
`

export interface Options {
  readonly folder: string
  readonly once: boolean
  readonly hiccup: boolean
  readonly help: boolean
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        photos: { type: 'string' },
        once: { type: 'boolean', default: false },
        'no-hiccup': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const samples = fileURLToPath(new URL('photos', import.meta.url))
    const folder = values.photos === undefined ? samples : resolve(startedIn(), values.photos)
    return { folder, once: values.once, hiccup: !values['no-hiccup'], help: values.help }
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\nTry --help.`)
  }
}

/** npm runs scripts in the package's root and tells where it was called itself. */
function startedIn(): string {
  const { npm_lifecycle_event: script, INIT_CWD: folder } = process.env
  return script === 'start' && folder !== undefined ? folder : process.cwd()
}

export const typeOf: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.gif': 'image/gif',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.tif': 'image/tiff',
  '.tiff': 'image/tiff',
  '.webp': 'image/webp',
}

/** The photographs in a folder, by name. @throws UsageError when there are none */
export async function findPhotos(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const why = { ENOENT: 'there is no such folder', ENOTDIR: 'it is not a folder' }[error.code ?? ''] ?? error.message
    throw new UsageError(`Cannot read photographs from ${folder}: ${why}.`)
  })
  const files = entries.filter((entry) => !entry.isDirectory() && extname(entry.name).toLowerCase() in typeOf)
  if (files.length === 0) {
    throw new UsageError(`No photographs in ${folder}. Looked for files that end in ${Object.keys(typeOf).join(', ')}.`)
  }
  return files.map((entry) => join(folder, entry.name)).toSorted()
}

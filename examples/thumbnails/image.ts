import { rename, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { Abort } from 'legwork'
import sharp from 'sharp'

export interface Original {
  readonly path: string
  readonly format: string
  readonly width: number
  readonly height: number
}

export interface Thumbnail {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly bytes: number
}

/** Looks at the head of the file. @throws Abort when it is no image that can be worked on: trying again would not help */
export async function readable(path: string): Promise<Original> {
  await stat(path) // a file that is missing or locked is the storage's fault, not the photo's: worth a retry
  const { format, autoOrient } = await orAbort(sharp(path).metadata())
  return { path, format, ...autoOrient }
}

/** Writes the thumbnail under another name first, so that nobody ever sees half a file. */
export async function writeThumbnail(original: Original, width: number, path: string): Promise<Thumbnail> {
  const image = sharp(original.path).autoOrient().resize({ width, withoutEnlargement: true }).webp({ quality: 78 })
  const info = await orAbort(image.toFile(`${path}.part`))
  await rename(`${path}.part`, path)
  return { name: basename(path), width: info.width, height: info.height, bytes: info.size }
}

/** What the system refuses has a code (no space, no permission) and may pass; what the decoder refuses never will. */
async function orAbort<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Error) || 'code' in error) throw error
    const [reason = 'unknown reason'] = error.message.replace(/^Vips\w+: |^Input /, '').split('\n')
    throw new Abort(`cannot be read as an image: ${reason}`, { cause: error })
  }
}

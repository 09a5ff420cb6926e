import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { access, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Why bytes were not taken, in the words of HTTP. */
export class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export const mostBytes = 64 * 1024 * 1024

/** Files in a folder. Names are made of hashes and numbers only, never of what somebody sent. */
export class Blobs {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async createFolders(): Promise<void> {
    for (const name of ['incoming', 'originals', 'thumbnails'])
      await mkdir(join(this.folder, name), { recursive: true })
  }

  original(id: string): string {
    return join(this.folder, 'originals', id)
  }

  thumbnail(id: string, width: number): string {
    return join(this.folder, 'thumbnails', `${id}-${width}.webp`)
  }

  /** Whether all of a photo's thumbnails are where they should be. */
  async has(names: readonly string[]): Promise<boolean> {
    const found = names.map((name) => access(join(this.folder, 'thumbnails', name)))
    return (await Promise.allSettled(found)).every(({ status }) => status === 'fulfilled')
  }

  openThumbnail(id: string, width: number): Promise<Readable> {
    return open(this.thumbnail(id, width)).then((file) => file.createReadStream())
  }

  /** Streams an upload into a file named by its content. @throws Refused when it is too large or no image */
  async receive(body: AsyncIterable<Buffer>): Promise<{ id: string; bytes: number }> {
    const path = join(this.folder, 'incoming', randomUUID())
    const hash = createHash('sha256')
    let bytes = 0
    const check = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of body) {
        if (bytes === 0 && !looksLikeImage(chunk))
          throw new Refused(415, 'not an image: its first bytes are of no format we know')
        bytes += chunk.length
        if (bytes > mostBytes) throw new Refused(413, `larger than ${mostBytes / 1024 / 1024} MB`)
        hash.update(chunk)
        yield chunk
      }
      if (bytes === 0) throw new Refused(415, 'empty')
    }
    try {
      await pipeline(check(), createWriteStream(path, { flush: true }))
      const id = hash.digest('hex').slice(0, 32)
      await rename(path, this.original(id))
      return { id, bytes }
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }
}

/** The first bytes of JPEG, PNG, GIF, TIFF (both byte orders), WebP, and of HEIF and AVIF. */
const marks = [
  /^\xff\xd8\xff/,
  /^\x89PNG\r\n/,
  /^GIF8/,
  /^II\*\0/,
  /^MM\0\*/,
  /^RIFF.{4}WEBP/s,
  /^.{4}ftyp(?:avif|avis|heic|heix|mif1)/s,
]

function looksLikeImage(chunk: Buffer): boolean {
  const head = chunk.toString('latin1', 0, 16)
  return marks.some((mark) => mark.test(head))
}

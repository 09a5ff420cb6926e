import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildPackage, patience } from '../support/example.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const samples = join(root, 'examples/thumbnails/photos')

let folder: string
const running = new Set<ChildProcess>()

beforeAll(buildPackage, patience)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'legwork-thumbnails-'))
})

afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

test('makes the thumbnails of the samples once, with one retry', { timeout: patience }, async () => {
  const first = await run('--once')
  expect(first.code, first.output).toBe(0)
  expect(first.output).toMatch(/6 photos done, 1 retry in /)
  expect(first.output).toMatch(/24 thumbnails written: .* in, .* out/)
  expect(first.output).toMatch(/photo\.thumbnails retrying .*attempt 1 of 5 failed: simulated storage hiccup/)
  expect(await widths()).toEqual([160, 320, 640, 1280].flatMap((width) => Array.from({ length: 6 }, () => width)))

  const before = await times()
  const second = await run('--once')
  expect(second.code, second.output).toBe(0)
  expect(second.output).toMatch(/nothing new, 6 already done in /)
  expect(await times()).toEqual(before)
})

test('puts a damaged photo aside with its reason and finishes the others', { timeout: patience }, async () => {
  const photos = join(folder, 'photos')
  await mkdir(photos)
  await cp(join(samples, 'fig.jpg'), join(photos, 'fig.jpg'))
  await cp(join(samples, 'fig.jpg'), join(photos, 'same as fig.jpg'))
  await writeFile(join(photos, 'damaged.jpg'), (await readFile(join(samples, 'friends.jpg'))).subarray(0, 50_000))
  await writeFile(join(photos, 'text.jpg'), 'This is a letter.')
  const { code, output } = await run('--once', '--no-hiccup', '--photos', photos)
  expect(code, output).toBe(1)
  expect(output).toMatch(/✗ +\d+ photo\.thumbnails dead +damaged\.jpg +cannot be read as an image: premature end/)
  expect(output).toContain('1 photo done, 1 already done, 1 failed, 1 refused in ')
  expect(output).toContain('✗ damaged.jpg: cannot be read as an image: premature end of JPEG image')
  expect(output).toContain('✗ text.jpg: not an image')
  expect(await widths()).toEqual([160, 320, 640, 1280])
})

test('names what is wrong with the command line', { timeout: patience }, async () => {
  const missing = await run('--once', '--photos', join(folder, 'nowhere'))
  expect(missing).toMatchObject({ code: 2, output: expect.stringContaining('there is no such folder') })
  const empty = await run('--once', '--photos', folder)
  expect(empty).toMatchObject({ code: 2, output: expect.stringContaining('No photographs in') })
  const unknown = await run('--twice')
  expect(unknown).toMatchObject({ code: 2, output: expect.stringContaining("Unknown option '--twice'") })
})

test(
  'serves its page and its uploads, to this machine only, until it is interrupted',
  { timeout: patience },
  async () => {
    const child = start('--no-hiccup')
    const url = /Status page (\S+)/.exec(await child.said(/Status page \S+/))![1]!
    const code = async (path: string, options?: RequestInit) => (await fetch(`${url}${path}`, options)).status

    expect(await (await fetch(url)).text()).toContain('<h1>Thumbnails</h1>')
    expect(await code('/photos/..%2f..%2fdb.lock')).toBe(404)
    expect(await code('/photos', { method: 'DELETE' })).toBe(405)
    expect(await code('/photos', { headers: { origin: 'http://elsewhere.example' } })).toBe(403)
    expect(await code('/photos', upload('a letter', 'text/plain'))).toBe(415)
    expect(await code('/photos', upload('a letter', 'image/jpeg'))).toBe(415)
    expect(await code('/photos', upload(Buffer.concat([jpeg, Buffer.alloc(65 * 1024 * 1024)]), 'image/jpeg'))).toBe(413)

    const small = await sharp({ create: { width: 200, height: 100, channels: 3, background: '#258' } })
      .png()
      .toBuffer()
    const answer = await fetch(`${url}/photos?name=${encodeURIComponent('<b>.png')}`, upload(small, 'image/png'))
    const receipt = (await answer.json()) as { status: string; job: string }
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe(receipt.status)
    expect(answer.headers.get('retry-after')).toBe('1')

    const feed = await (await fetch(`${url}/jobs/${receipt.job}/events`)).text()
    expect(feed.match(/^event: .*/gm)).toEqual(['event: enqueued', 'event: started', 'event: ended'])
    const cursor = /^id: (.*)\nevent: started/m.exec(feed)![1]!
    const rest = await fetch(`${url}/jobs/${receipt.job}/events`, { headers: { 'last-event-id': cursor } })
    expect((await rest.text()).match(/^event: .*/gm)).toEqual(['event: ended'])

    await child.said(/<b>\.png is ready: 1 thumbnail/)
    expect(await (await fetch(`${url}${receipt.status}`)).json()).toMatchObject({
      name: '<b>.png',
      width: 200,
      files: [{ width: 160 }],
    })

    child.process.kill('SIGINT')
    child.process.kill('SIGINT')
    expect(await child.ended).toBe(0)
  },
)

const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0])

function upload(body: string | Buffer, type: string): RequestInit {
  return { method: 'POST', headers: { 'content-type': type }, body }
}

interface Started {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  /** Everything said so far, once the pattern is in it. */
  said(pattern: RegExp): Promise<string>
}

function start(...args: string[]): Started {
  const { DATABASE_URL: _, ...env } = process.env
  const main = join(root, 'examples/thumbnails/main.ts')
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], { cwd: folder, env })
  running.add(child)
  let output = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const listener of listeners) listener()
    })
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      running.delete(child)
      for (const listener of listeners) listener()
      resolve(code)
    })
  })
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (pattern.test(output)) resolve(output)
        else if (!running.has(child)) reject(new Error(`It ended without saying ${pattern}:\n${output}`))
      }
      listeners.add(look)
      look()
    })
  return { process: child, ended, said }
}

async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = start(...args)
  const code = await child.ended
  return { code, output: await child.said(/^/) }
}

async function thumbnails(): Promise<string[]> {
  const place = join(folder, '.legwork/thumbnails/thumbnails')
  return (await readdir(place)).map((name) => join(place, name)).toSorted()
}

/** Of all thumbnails, as they are in the files. */
async function widths(): Promise<number[]> {
  const found = await Promise.all((await thumbnails()).map(async (file) => (await sharp(file).metadata()).width))
  return found.toSorted((a, b) => a - b)
}

async function times(): Promise<number[]> {
  return Promise.all((await thumbnails()).map(async (file) => (await stat(file)).mtimeMs))
}

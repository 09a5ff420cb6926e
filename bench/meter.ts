import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { now, type Meter, type Usage } from './scenario.ts'

/** CPU time is counted in ticks of this many per second on every Linux that Node runs on. */
const ticks = 100

export interface Watched {
  /** The postmaster or redis-server; undefined when it is not on this machine. */
  readonly serverPid: number | undefined
  /** The server's address when it is PostgreSQL. */
  readonly postgres: string | undefined
}

export async function startMeter({ serverPid, postgres }: Watched): Promise<Meter> {
  const began = now()
  const cpu = process.cpuUsage()
  const server = serverPid === undefined ? undefined : cpuOfTree(serverPid)
  const wal = await walPosition(postgres)
  return {
    async stop(): Promise<Usage> {
      const { user, system } = process.cpuUsage(cpu)
      const seconds = (now() - began) / 1000
      const serverNow = serverPid === undefined ? undefined : cpuOfTree(serverPid)
      const walNow = await walPosition(postgres)
      return {
        seconds,
        nodeCpu: (user + system) / 1e6,
        serverCpu: server === undefined || serverNow === undefined ? undefined : serverNow - server,
        walBytes: wal === undefined || walNow === undefined ? undefined : walNow - wal,
      }
    },
  }
}

async function walPosition(url: string | undefined): Promise<number | undefined> {
  if (url === undefined) return undefined
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ at: string }>(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as at`)
    return Number(rows[0]?.at)
  } finally {
    await client.end()
  }
}

/** CPU seconds of a process, of its children, and of children that have ended; undefined without /proc. */
function cpuOfTree(pid: number): number | undefined {
  const own = statOf(pid)
  if (!own) return undefined
  let sum = own.self + own.ended
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
    if (stat?.parent === pid) sum += stat.self
  }
  return sum / ticks
}

/** See proc(5): the fields after the name in parentheses are state, parent, …, utime, stime, cutime, cstime. */
function statOf(pid: number): { parent: number; self: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15)
    return { parent: fields[1] ?? 0, self: utime + stime, ended: cutime + cstime }
  } catch {
    return undefined
  }
}

/** The postmaster of a server on this machine, found as the parent of our own backend. */
export async function postmasterOf(url: string): Promise<number | undefined> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const pid = rows[0]?.pid ?? 0
    const stat = statOf(pid)
    // A server elsewhere has backends with numbers that may mean anything here.
    return stat && /postgres/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ? stat.parent : undefined
  } catch {
    return undefined
  } finally {
    await client.end()
  }
}

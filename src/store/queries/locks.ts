import { type Queryable, repeatable } from '../connection.ts'

/** A call that wants a lock, or has one. */
export interface LockCall {
  readonly name: string
  /** Unique to the call. */
  readonly who: string
  /** Milliseconds without a word of it after which it is passed over. */
  readonly lease: number
}

export interface LockTake extends LockCall {
  /** Gets in line when it cannot have the lock now. */
  readonly waits: boolean
  readonly host: string
  readonly pid: number
}

/** A lock that somebody has, or waits for. */
export interface LockStatus {
  readonly name: string
  /** Of the holder; undefined while nobody has it. */
  readonly token: bigint | undefined
  readonly since: Date | undefined
  /** When it is free at the latest, if its process says nothing more. */
  readonly expiresAt: Date | undefined
  /** Where its process runs. */
  readonly host: string | undefined
  readonly pid: number | undefined
  /** Calls that wait for it. */
  readonly waiting: number
}

/* The logic is a function: the row's lock has to be taken before anything is decided, and who asks again gets the same answer. */
const takeStatement = repeatable(
  'lw_lock_take',
  'select token::text as token from legwork.take_lock($1::text, $2::text, $3::float8, $4::boolean, $5::text, $6::int)',
)

/* Also one that is over, as long as nobody else has it: nothing has happened without the lock. */
const renewStatement = repeatable(
  'lw_lock_renew',
  `update legwork.lock l set expires_at = legwork.now() + u.lease * interval '1 millisecond'
     from unnest($1::text[], $2::text[], $3::float8[]) u(name, who, lease)
    where l.name = any($1::text[]) and l.name = u.name and l.who = u.who returning l.who`,
)

const freeStatement = repeatable(
  'lw_lock_free',
  'select mine, wanted_by > 0 as wanted from legwork.free_lock($1::text, $2::text)',
)

const listStatement = repeatable(
  'lw_locks',
  `select l.name, case when l.who is not null then l.token::text end as token, l.since, l.expires_at, l.host, l.pid,
          (select count(*)::int from legwork.lock_line w where w.name = l.name and w.expires_at > legwork.now()) as waiting
     from legwork.lock l where l.expires_at > legwork.now() or exists (select from legwork.lock_line w where w.name = l.name and w.expires_at > legwork.now())
    order by l.name`,
)

/* In two statements' worth of time nobody can get in: who takes a lock makes the row when it is not there. */
const forgetStatement = repeatable(
  'lw_locks_forget',
  `with silent as (
    delete from legwork.lock_line w where w.expires_at < legwork.now() - interval '1 hour'
  )
  delete from legwork.lock l
   where (l.who is null or l.expires_at < legwork.now() - interval '1 hour') and l.touched_at < legwork.now() - interval '1 hour'
     and not exists (select from legwork.lock_line w where w.name = l.name)`,
)

/** The token, when the lock is this call's now. */
export async function takeLock(
  on: Queryable,
  { name, who, lease, waits, host, pid }: LockTake,
): Promise<bigint | undefined> {
  const [row] = await on.query<{ token: string | null }>(takeStatement, [name, who, lease, waits, host, pid])
  return row?.token ? BigInt(row.token) : undefined
}

/** Of each, whether it still has its lock. */
export async function renewLocks(on: Queryable, calls: readonly LockCall[]): Promise<boolean[]> {
  const rows = await on.query<{ who: string }>(renewStatement, [
    calls.map((call) => call.name),
    calls.map((call) => call.who),
    calls.map((call) => call.lease),
  ])
  const held = new Set(rows.map((row) => row.who))
  return calls.map((call) => held.has(call.who))
}

/** Frees the lock or leaves its line: whether it was this call's until now, and whether somebody waits. */
export async function freeLock(
  on: Queryable,
  { name, who }: Pick<LockCall, 'name' | 'who'>,
): Promise<{ mine: boolean; wanted: boolean }> {
  const [row] = await on.query<{ mine: boolean; wanted: boolean }>(freeStatement, [name, who])
  return { mine: row?.mine === true, wanted: row?.wanted === true }
}

export async function listLocks(on: Queryable): Promise<LockStatus[]> {
  const rows = await on.query<LockRow>(listStatement, [])
  return rows.map(({ name, token, since, expires_at, host, pid, waiting }) => ({
    name,
    token: token === null ? undefined : BigInt(token),
    since: since ?? undefined,
    expiresAt: expires_at ?? undefined,
    host: host ?? undefined,
    pid: pid ?? undefined,
    waiting,
  }))
}

/** Forgets locks that nobody has asked for an hour. */
export async function forgetLocks(on: Queryable): Promise<void> {
  await on.query(forgetStatement, [])
}

interface LockRow extends Record<string, unknown> {
  readonly name: string
  readonly token: string | null
  readonly since: Date | null
  readonly expires_at: Date | null
  readonly host: string | null
  readonly pid: number | null
  readonly waiting: number
}

import type { StoredRule } from '../../core/limit.ts'
import { once, type Queryable, repeatable } from '../connection.ts'

/** A limit and how it stands, over all its instances. */
export interface LimitRow {
  readonly name: string
  /** What holds: the declared rule with the chosen one before it. */
  readonly rule: StoredRule
  readonly declared: StoredRule
  /** What was set at run time. */
  readonly chosen: StoredRule | null
  readonly version: number
  readonly running: number
  readonly waiting: number
  readonly shutUntil: Date | undefined
  readonly shutByHand: boolean
  readonly shutReason: string | undefined
  readonly trial: boolean
  readonly ok: number
  readonly bad: number
}

/** What a worker has to know of each limit. */
export interface LimitHead {
  readonly name: string
  /** Most at once; null without such a cap. */
  readonly running: number | null
  /** Whether that was set at run time. */
  readonly isChosen: boolean
}

export interface LimitDeclaration {
  readonly name: string
  readonly rule: StoredRule
  /** It goes before what is declared already. */
  readonly strong: boolean
}

/*
 * Rows in the order of their names, so that processes that start together do not deadlock; an unchanged rule is not
 * written again. $4: jobs of this process that have no limit of their own any more.
 */
const declareStatement = repeatable(
  'lw_limit_declare',
  `with given as (
    select * from unnest($1::text[], $2::jsonb[], $3::boolean[]) as g(name, rule, strong)
    union all
    select r.name, '{}', true from legwork.limit_rule r where r.name = any($4::text[]) and r.declared <> '{}'
  )
  insert into legwork.limit_rule as r (name, declared)
    select g.name, g.rule from given g
     where not exists (select from legwork.limit_rule o where o.name = g.name and (o.declared = g.rule or not g.strong)) order by g.name
    on conflict (name) do update set declared = excluded.declared, changed_at = legwork.now() where r.declared <> excluded.declared`,
)

const headsStatement = repeatable(
  'lw_limit_heads',
  `select name, coalesce(chosen ? 'running', false) as "isChosen", (rule->>'running')::int as running from legwork.limit_rule where rule <> '{}'`,
)

const breakerStatement = once(
  'lw_breaker_set',
  'select legwork.set_breaker($1::text, $2::boolean, $3::text, $4::text) as version',
)

/* isfinite: a breaker that was opened by hand has no end, which a Date cannot say. */
const listStatement = repeatable(
  'lw_limit_list',
  `select r.name, r.rule, r.declared, r.chosen, r.version, coalesce(l.used, 0)::int as running, coalesce(l.waiting, 0)::int as waiting,
          case when isfinite(l.shut_until) then l.shut_until end as shut_until, coalesce(not isfinite(l.shut_until), false) as by_hand, l.shut_reason,
          coalesce(l.trial, false) as trial, coalesce(l.ok, 0)::int as ok, coalesce(l.bad, 0)::int as bad
     from (select name, rule, declared, chosen, version from legwork.limit_rule
           union all
           select distinct o.name, '{}'::jsonb, '{}'::jsonb, null::jsonb, 0 from legwork.limiter o
            where o.name like 'breaker:%' and not exists (select from legwork.limit_rule e where e.name = o.name)) r
     left join lateral (
       select sum(o.used) as used, sum(o.waiting) as waiting, max(o.shut_until) filter (where o.shut_until > legwork.now()) as shut_until,
              max(o.shut_reason) filter (where o.shut_until > legwork.now()) as shut_reason, bool_or(o.trial) as trial, sum(o.ok) as ok, sum(o.bad) as bad
         from legwork.limiter o where o.name = r.name) l on true
    where r.name = coalesce($1::text, r.name) order by r.name`,
)

/** Writes what code says about limits. */
export async function declareLimits(
  on: Queryable,
  limits: readonly LimitDeclaration[],
  without: readonly string[],
): Promise<void> {
  if (limits.length + without.length === 0) return
  await on.query(declareStatement, [
    limits.map((limit) => limit.name),
    limits.map((limit) => JSON.stringify(limit.rule)),
    limits.map((limit) => limit.strong),
    without,
  ])
}

/** The limits that there are. */
export async function limitHeads(on: Queryable): Promise<LimitHead[]> {
  return on.query<LimitHead & Record<string, unknown>>(headsStatement, [])
}

/** Opens or closes a breaker by hand. */
export async function setBreaker(
  on: Queryable,
  name: string,
  open: boolean,
  reason: string | undefined,
  by: string | undefined,
): Promise<void> {
  await on.query(breakerStatement, [name, open, reason ?? null, by ?? null])
}

/** All limits and breakers, or the one of that name. */
export async function listLimits(on: Queryable, name?: string): Promise<LimitRow[]> {
  const rows = await on.query<ListRow>(listStatement, [name ?? null])
  return rows.map(({ shut_until, by_hand, shut_reason, ...row }) => ({
    ...row,
    shutUntil: shut_until ?? undefined,
    shutByHand: by_hand,
    shutReason: shut_reason ?? undefined,
  }))
}

interface ListRow extends Record<string, unknown>, Omit<LimitRow, 'shutUntil' | 'shutByHand' | 'shutReason'> {
  readonly shut_until: Date | null
  readonly by_hand: boolean
  readonly shut_reason: string | null
}

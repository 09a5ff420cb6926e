import { type Queryable, repeatable } from '../connection.ts'

/** So long a request may be repeated. */
const kept = "interval '7 days'"

/**
 * The first request with a key says which instant it is about, and those that follow are told it. The row is a reservation
 * for a period, so upkeep forgets it; no job has a name that begins with a space. On a conflict the row stays as it is, or
 * is taken over when its period is past; an update with the old values makes it visible to `returning`.
 */
const pinStatement = repeatable(
  'lw_pin',
  `insert into legwork.reservation as r (slot, kind, name, text, fingerprint, at, until)
   values (0, 1, ' schedule ' || $1::text, $2::text, coalesce($3::text, ''),
           coalesce($3::timestamptz, date_trunc('milliseconds', legwork.now())), legwork.now() + ${kept})
   on conflict (slot, name, kind, text) do update set
     at = case when r.until < excluded.until - ${kept} then excluded.at else r.at end,
     fingerprint = case when r.until < excluded.until - ${kept} then excluded.fingerprint else r.fingerprint end,
     until = case when r.until < excluded.until - ${kept} then excluded.until else r.until end
   returning at, fingerprint = coalesce($3::text, '') as same`,
)

/** The instant that a key stands for; undefined when it was used with another one. */
export async function pin(
  on: Queryable,
  schedule: string,
  key: string,
  at: Date | undefined,
): Promise<Date | undefined> {
  const [row] = await on.query<{ at: Date; same: boolean }>(pinStatement, [schedule, key, at?.toISOString() ?? null])
  return row?.same ? row.at : undefined
}

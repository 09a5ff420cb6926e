import { type Queryable, repeatable } from '../connection.ts'

/** A part of time, in milliseconds since the epoch, in which a schedule may fire. */
export interface Part {
  readonly id: string
  readonly from: number
  /** Not included. */
  readonly to: number
}

/*
 * A range of the index on due_at for each part, read without the rows. It ends at 256: among crowds like that a few more
 * make little difference, and a part with ten thousand schedules at midnight must not cost ten thousand entries.
 */
const loadsStatement = repeatable(
  'lw_schedule_loads',
  `select (select count(*) from (
       select from legwork.schedule s where s.due_at >= u.low and s.due_at < u.high and s.id <> u.id limit 256) other)::int as load, u.place::int as place
     from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) with ordinality u(id, low, high, place)`,
)

/** How many other schedules are due in each part. */
export async function loadsOf(tx: Queryable, parts: readonly Part[]): Promise<number[]> {
  const rows = await tx.query<{ load: number; place: number }>(loadsStatement, [
    parts.map(({ id }) => id),
    parts.map(({ from }) => new Date(from).toISOString()),
    parts.map(({ to }) => new Date(to).toISOString()),
  ])
  const loads = new Map(rows.map(({ place, load }) => [place, load]))
  return parts.map((_, at) => loads.get(at + 1) ?? 0)
}

import { type Connection, repeatable } from '../store/connection.ts'

const set = repeatable('lw_virtual_set', 'update legwork.virtual_clock set at = $1::timestamptz')

/** Without a row the time is the real one again. */
const open = `
  create table if not exists legwork.virtual_clock (at timestamptz);
  create or replace function legwork.now() returns timestamptz language sql stable parallel safe
    as 'select coalesce((select at from legwork.virtual_clock), statement_timestamp())';
  truncate legwork.virtual_clock;
  insert into legwork.virtual_clock values (null);`

/** Makes the database tell `start` until `setVirtualTime` says otherwise. */
export async function openVirtualTime(connection: Connection, start: Date): Promise<void> {
  await connection.script(open)
  await setVirtualTime(connection, start)
}

export async function setVirtualTime(connection: Connection, now: Date): Promise<void> {
  await connection.query(set, [now])
}

/** Makes the database tell the real time again. */
export async function closeVirtualTime(connection: Connection): Promise<void> {
  await connection.script('truncate legwork.virtual_clock')
}

import type { Child, ChildCursor, Member } from './queries/batches.ts'
import type { Store } from './store.ts'

/** Rows read at once. */
const page = 1_000

/** All members of a batch in order, read a page at a time: there may be 100,000. */
export function membersOf(from: Pick<Store, 'members'>, batch: string): AsyncGenerator<Member> {
  return pages<Member, number>(
    0,
    (after) => from.members(batch, after, page),
    ({ place }) => place,
  )
}

/** The children of a job in the order in which they were begun. */
export async function* childrenOf(store: Store, parent: string): AsyncGenerator<Child> {
  const read = (after: ChildCursor) => store.children(parent, after, page)
  for await (const { id, step, detached, state } of pages({ batch: '0', place: 0 }, read, (row) => row))
    yield { id, step, detached, state }
}

async function* pages<Row, Cursor>(
  first: Cursor,
  read: (after: Cursor) => Promise<Row[]>,
  cursorOf: (row: Row) => Cursor,
): AsyncGenerator<Row> {
  for (let after = first; ;) {
    const found = await read(after)
    yield* found
    const last = found.at(-1)
    if (last === undefined || found.length < page) return
    after = cursorOf(last)
  }
}

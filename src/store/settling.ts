import { LegworkError } from '../core/errors.ts'
import type { Connection, Queryable } from './connection.ts'
import { isDisconnect } from './failure.ts'
import { handOver } from './queries/keys.ts'
import {
  type Ending,
  finish,
  giveBack,
  isExpired,
  type Return,
  type Settled,
  type SettleScope,
} from './queries/settle.ts'

/** Both kinds of outcome. Only what is waited for, and what has a place in a limit, needs a transaction around several statements. */
export async function settle(
  connection: Connection,
  scope: SettleScope,
  endings: readonly Ending[],
  returns: readonly Return[],
): Promise<Settled> {
  if (returns.length === 0) return finishSafely(connection, scope, endings)
  if (endings.length === 0) return giveBackSafely(connection, scope, returns)
  // The lease rows go with the last statement, when every job of theirs has been written.
  const finished = await finishSafely(connection, { ...scope, emptyBatches: [] }, endings)
  const complete = finished.ids.size === endings.length
  const returned = await giveBackSafely(connection, complete ? scope : { ...scope, emptyBatches: [] }, returns)
  return both(finished, returned)
}

function both(a: Settled, b: Settled): Settled {
  const dueIn = Math.min(a.dueIn ?? Infinity, b.dueIn ?? Infinity)
  return {
    ids: new Set([...a.ids, ...b.ids]),
    woken: [...a.woken, ...b.woken],
    ...((a.turned || b.turned) && { turned: [...(a.turned ?? []), ...(b.turned ?? [])] }),
    ...(dueIn < Infinity && { dueIn }),
  }
}

function giveBackSafely(connection: Connection, scope: SettleScope, returns: readonly Return[]): Promise<Settled> {
  if (!returns.some((item) => item.limited || item.yields !== undefined)) return giveBack(connection, scope, returns)
  return together(connection, (tx) => giveBack(tx, scope, returns))
}

async function finishSafely(connection: Connection, scope: SettleScope, endings: readonly Ending[]): Promise<Settled> {
  if (endings.some((ending) => ending.awaited || ending.limited || ending.keepsKey || isExpired(ending)))
    return together(connection, (tx) => finish(tx, scope, endings))
  const first = await finish(connection, scope, endings, true)
  const { freed } = first
  const woken = freed ? await handOver(connection, scope.slot, freed) : []
  const whole = { ...first, woken }
  if (first.ids.size === endings.length) return whole
  // Lost, or waited for since it was claimed: that is told in the same commit.
  const rest = endings.filter(({ id }) => !first.ids.has(id))
  return both(whole, await together(connection, (tx) => finish(tx, scope, rest)))
}

/** Outcomes are fenced, so that a transaction whose answer was lost may be repeated. */
async function together<T>(connection: Connection, work: (tx: Queryable) => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await connection.transaction(work)
    } catch (error) {
      const again = isDisconnect(error) || (error instanceof LegworkError && error.code === 'LW_DATABASE_UNREACHABLE')
      if (!again || tries >= 3) throw error
    }
  }
}

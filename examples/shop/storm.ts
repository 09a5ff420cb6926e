import { setTimeout as sleep } from 'node:timers/promises'
import { audit, type Finding } from './audit.ts'
import { Crew } from './crew.ts'
import { withEmptyDatabase } from './empty-database.ts'
import { isFinal } from './live.ts'
import { emptyForm } from './page.ts'
import { type Fields, place } from './place.ts'
import { type Shop, withShop } from './shop.ts'

/**
 * Places many orders while worker processes are killed, then compares the books of everybody. Works in a database of its
 * own, which it drops.
 * @returns the exit code: 0 when all agree, 130 when it was interrupted
 */
export async function storm(orders: number, interrupted: AbortSignal): Promise<number> {
  try {
    return await withEmptyDatabase((url) =>
      withShop({ url, connections: 4 }, async (shop) => {
        await weather(shop, url, orders, interrupted)
        return report(await audit(shop, orders))
      }),
    )
  } catch (error) {
    if (!interrupted.aborted) throw error
    console.log('Workers, payment and mail are stopped, and the database of the storm is gone. Nothing was audited.')
    return 130
  }
}

async function weather(shop: Shop, url: string, orders: number, signal: AbortSignal): Promise<void> {
  const { services, smtp } = shop.addresses
  const crew = await Crew.start([url, services, String(smtp)])
  try {
    console.log(`Storm: ${orders} orders, ${crew.size} worker processes, each killed every other second`)
    const start = performance.now()
    await Promise.all([placeAll(shop, orders, signal), untilSettled(shop, orders, crew, signal)])
    const seconds = ((performance.now() - start) / 1_000).toFixed(1)
    console.log(`All have ended after ${seconds} s, in which ${crew.kills} workers were killed with SIGKILL.\n`)
  } finally {
    await crew.stop()
  }
}

/** Some cards are declined, some are charged and then blocked, and of one product there are too few. */
async function placeAll({ lw, jobs }: Shop, orders: number, signal: AbortSignal): Promise<void> {
  const wanted = ['teapot', 'lamp', 'cactus', 'kite', 'globe']
  for (let n = 0; n < orders; n++) {
    signal.throwIfAborted()
    const fields: Fields = {
      ...emptyForm,
      product: wanted[n % wanted.length] ?? 'teapot',
      quantity: String(1 + (n % 3)),
      card: n % 7 === 6 ? 'card_declined' : n % 11 === 5 ? 'card_blocked' : 'card_good',
    }
    await place(lw, jobs.placeOrder, fields)
  }
}

/** Until no job is left, also none that sends a mail or gives stock back. */
async function untilSettled({ lw, transact }: Shop, orders: number, crew: Crew, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + 120_000 + orders * 2_000
  for (let told = ''; ;) {
    const queues = await lw.queues()
    const left = queues.flatMap(({ counts }) => Object.entries(counts)).filter(([state]) => !isFinal(state))
    const rows = await transact((tx) =>
      tx.query('select status, count(*)::int as n from shop.orders group by status order by status', []),
    )
    const states = rows.map(({ status, n }) => `${String(n)} ${String(status)}`).join(', ')
    if (states !== told) console.log(`  ${states}; ${crew.kills} killed`)
    told = states
    const placed = rows.reduce((total, { n }) => total + Number(n), 0)
    if (placed === orders && left.every(([, n]) => n === 0)) return
    signal.throwIfAborted()
    if (performance.now() > deadline) throw new Error(`The storm did not end in time: ${states}.`)
    await sleep(1_000)
  }
}

function report(findings: readonly Finding[]): number {
  for (const { what, isRight, detail } of findings) console.log(`${isRight ? '✓' : '✗'} ${what}: ${detail}`)
  const wrong = findings.filter(({ isRight }) => !isRight).length
  console.log(wrong === 0 ? '\nAll books agree.' : `\n${wrong} of ${findings.length} do not agree.`)
  return wrong === 0 ? 0 : 1
}

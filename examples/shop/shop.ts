import type { DatabaseOption } from 'legwork'
import { startChild } from './child.ts'
import { type Addresses, type Engine, withEngine } from './engine.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'
import { openShop } from './tables.ts'

/** The shop with everything that it needs to work. */
export interface Shop extends Engine {
  readonly mailbox: Mailbox
  readonly addresses: Addresses
}

/** Starts payment, mail and engine, and stops them in turn when `use` has ended, however. */
export async function withShop<T>(database: DatabaseOption, use: (shop: Shop) => Promise<T>): Promise<T> {
  const payment = await startChild('payment-process.ts', [])
  try {
    const mailbox = await openMailbox({ faulty: true })
    try {
      const addresses = { services: payment.said.replace('listening ', ''), smtp: mailbox.port }
      return await withEngine(database, addresses, async (engine) => {
        await openShop(engine.transact)
        return use({ ...engine, mailbox, addresses })
      })
    } finally {
      await mailbox.close()
    }
  } finally {
    await payment.kill()
  }
}

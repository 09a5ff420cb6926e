import { type DatabaseOption, legwork, type Legwork } from 'legwork'
import { startChild } from './child.ts'
import { orderJobs, type OrderJobs } from './jobs.ts'
import { createMailer, type Mailbox, openMailbox } from './mail.ts'
import { connectServices, type Services } from './services.ts'
import { openShop, type Transact } from './tables.ts'

/** The shop with everything that it needs to work. */
export interface Shop {
  readonly lw: Legwork
  readonly jobs: OrderJobs
  readonly transact: Transact
  readonly services: Services
  readonly mailbox: Mailbox
  readonly addresses: Addresses
}

/** Where a process finds what is outside of it. */
export interface Addresses {
  readonly services: string
  readonly smtp: number
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

type Engine = Omit<Shop, 'mailbox' | 'addresses'>

/** The engine with the jobs of the shop. Nothing runs before `lw.work()`. */
export async function withEngine<T>(
  database: DatabaseOption,
  { services: url, smtp }: Addresses,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const mailer = createMailer(smtp)
  const services = connectServices(url)
  const transact: Transact = (work) => lw.transaction(work)
  const jobs = orderJobs({ transact, services, mailer })
  const lw: Legwork = await legwork({ jobs: jobs.all, database })
  try {
    return await use({ lw, jobs, transact, services })
  } finally {
    await lw.close({ timeout: '5s' })
    mailer.close()
  }
}

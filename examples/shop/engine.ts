import { type DatabaseOption, legwork, type Legwork } from 'legwork'
import { orderJobs, type OrderJobs } from './jobs.ts'
import { createMailer } from './mailer.ts'
import { connectServices, type Services } from './services.ts'
import type { Transact } from './tables.ts'

/** The engine, and what its jobs work with. */
export interface Engine {
  readonly lw: Legwork
  readonly jobs: OrderJobs
  readonly transact: Transact
  readonly services: Services
}

/** Where a process finds what is outside of it. */
export interface Addresses {
  readonly services: string
  readonly smtp: number
}

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

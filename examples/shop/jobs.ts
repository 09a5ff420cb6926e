import { Abort, type AnyJob, job, StepError } from 'legwork'
import { z } from 'zod'
import type { Mailer } from './mailer.ts'
import type { Services } from './services.ts'
import { addSale, begin, confirm, fail, finish, release, reserve } from './steps.ts'
import { findOrder, type Order, type Transact } from './tables.ts'

/** What the jobs work with. */
export interface Outside {
  readonly transact: Transact
  readonly services: Services
  readonly mailer: Mailer
}

const input = z.object({ order: z.string() })
const patient = { attempts: 12, backoff: 'exponential', first: '200ms', max: '3s' } as const
// Workers are killed on purpose in the storm: an order that was there is not to blame.
const options = { input, retry: patient, crashes: 1_000 } as const

export interface OrderJobs {
  readonly placeOrder: ReturnType<typeof placeOrderJob>
  readonly all: readonly AnyJob[]
}

export function orderJobs(outside: Outside): OrderJobs {
  const releaseStock = releaseStockJob()
  const sendMail = sendMailJob(outside)
  const placeOrder = placeOrderJob(outside, { releaseStock, sendMail })
  return { placeOrder, all: [placeOrder, releaseStock, sendMail] }
}

interface Others {
  readonly releaseStock: ReturnType<typeof releaseStockJob>
  readonly sendMail: ReturnType<typeof sendMailJob>
}

/** An order from the shelf to the parcel. Until `commit()` whatever goes wrong is undone; after it nothing is. */
function placeOrderJob({ transact, services }: Outside, { releaseStock, sendMail }: Others) {
  return job('order.place', options, async ({ input: { order: id }, step, run, commit }) => {
    // Began first, so undone last: the order counts as failed when everything else has been given back.
    const order = await step.tx('begin', (tx) => begin(tx, id), {
      undo: (_order, { error }) => transact((tx) => fail(tx, id, error?.message ?? 'The order was cancelled.')),
    })
    await step.tx('reserve stock', (tx) => reserve(tx, id), { undo: releaseStock.with({ order: id }) })
    await step('charge card', ({ idempotencyKey: key }) => services.charge({ key, ...order }), {
      timeout: '5s',
      undo: (_receipt, { key }) => services.refund(key),
    })
    await step.tx('confirm', (tx) => confirm(tx, id))
    await commit()

    const mailed = await succeeds(run(sendMail, { order: id }))
    await step.tx('leaderboard', (tx) => addSale(tx, order))
    const parcel = await step('ship', ({ idempotencyKey: key }) => services.ship({ key, order: id, to: order.email }), { timeout: '5s' })
      .catch(onlyStepError)
    await step.tx('finish', (tx) => finish(tx, id, parcel))
    return { mailed, parcel: parcel ?? null }
  })
}

/** Gives the pieces of an order back, if it holds any. */
function releaseStockJob() {
  return job('order.release-stock', options, async ({ input: { order }, step }) => {
    await step.tx('release', (tx) => release(tx, order))
  })
}

function sendMailJob({ transact, mailer }: Outside) {
  return job('order.mail', options, async ({ input: { order: id } }) => {
    const order = await findOrder(transact, id)
    if (!order) throw new Abort('the order is gone')
    await mailer.send(confirmation(order))
  })
}

function confirmation({ id, email, quantity, name, cents }: Order) {
  return {
    order: id,
    to: email,
    subject: `Your order: ${quantity} × ${name}`,
    text: `Thank you!\n\n${quantity} × ${name}, ${(cents / 100).toFixed(2)} € in all.\n`,
  }
}

/** What was paid for stays paid for: a mail or a parcel that fails for good is seen to by a person. */
async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(() => true, onlyStepError).then((done) => done === true)
}

function onlyStepError(error: unknown): undefined {
  if (!(error instanceof StepError)) throw error
}

import { emptyForm } from './page.ts'
import { place } from './place.ts'
import type { Shop } from './shop.ts'
import { findOrder } from './tables.ts'

/** Places one order, says what happens to it, and returns the exit code: 0 when it was carried out. */
export async function orderOnce({ lw, jobs, transact, mailbox }: Shop, signal: AbortSignal): Promise<number> {
  const { order: id, job } = await place(lw, jobs.placeOrder, { ...emptyForm, quantity: '2' })
  console.log(`Order ${id}: 2 × teapot`)
  for await (const event of lw.ref(job).events({ signal })) {
    if (event.type !== 'step' && event.type !== 'undo') continue
    const kind = event.type === 'undo' ? 'undo ' : ''
    console.log(`  ${kind}${event.step} ${event.state}${event.error ? `: ${event.error.message}` : ''}`)
  }
  signal.throwIfAborted()
  const order = await findOrder(transact, id)
  const mail = mailbox.mails.has(`<order-${id}@shop.example>`) ? 'mail sent' : 'no mail'
  console.log(`Order ${order?.status ?? 'unknown'}, ${mail}, parcel ${order?.parcel ?? 'none'}`)
  return order?.status === 'confirmed' ? 0 : 1
}

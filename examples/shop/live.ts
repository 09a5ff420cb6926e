import type { ServerResponse } from 'node:http'
import { orderView, type View } from './page.ts'
import type { Shop } from './shop.ts'
import { findOrder } from './tables.ts'

const final: readonly string[] = ['completed', 'compensated', 'compensation_failed', 'dead', 'cancelled']

export function isFinal(state: string): boolean {
  return final.includes(state)
}

/** An order and what its job has done, as they are now. */
export async function viewOf({ lw, transact }: Shop, id: string): Promise<View | undefined> {
  const order = await findOrder(transact, id)
  if (!order) return undefined
  const ref = lw.ref(order.job ?? '')
  const [{ state }, steps, undos] = await Promise.all([ref.status(), ref.steps(), ref.undos()])
  return { order, steps, undos, isOver: isFinal(state) }
}

/** Server-sent events: whatever happens to the job, the order is read afresh and sent as it looks. */
export async function streamOrder(shop: Shop, response: ServerResponse, id: string): Promise<void> {
  const order = await findOrder(shop.transact, id)
  if (!order) return void response.writeHead(404).end()
  const gone = new AbortController()
  // A line now and then, so that a dead connection is noticed.
  const timer = setInterval(() => response.write(': still here\n\n'), 15_000)
  response.on('close', () => gone.abort())
  try {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    for await (const { type } of shop.lw.ref(order.job ?? '').events({ signal: gone.signal })) {
      const view = await viewOf(shop, id)
      if (view) response.write(`data: ${JSON.stringify(orderView(view))}\n\n`)
      if (type === 'ended') response.write('event: over\ndata: \n\n')
    }
  } finally {
    clearInterval(timer)
    response.end()
  }
}

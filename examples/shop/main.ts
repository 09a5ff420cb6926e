import { once } from 'node:events'
import { listen } from '../support/listen.ts'
import { runProgram } from '../support/program.ts'
import { orderOnce } from './once.ts'
import { help, type Options, readOptions } from './options.ts'
import { createShopServer } from './server.ts'
import { type Shop, withShop } from './shop.ts'
import { storm } from './storm.ts'

await runProgram({ help, readOptions, main })

async function main({ once: isOnce, storm: orders }: Options, interrupted: AbortSignal): Promise<number> {
  if (orders !== undefined) return storm(orders, interrupted)
  return withShop(process.env['DATABASE_URL'] || '.legwork/shop', async (shop) => {
    shop.lw.on('error', ({ during, error }) => console.error(`! ${during}: ${String(error)}`))
    await shop.lw.work({ concurrency: 5, stopOnSignal: false })
    return isOnce ? orderOnce(shop, interrupted) : serve(shop, interrupted)
  })
}

async function serve(shop: Shop, interrupted: AbortSignal): Promise<number> {
  const server = createShopServer(shop)
  try {
    console.log(`The shop is open at ${await listen(server, 4600)} – press Ctrl-C to close it`)
    if (!interrupted.aborted) await once(interrupted, 'abort')
    return 0
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

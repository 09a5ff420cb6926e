import { once } from 'node:events'
import { LegworkError } from 'legwork'
import { orderOnce } from './once.ts'
import { help, type Options, readOptions, UsageError } from './options.ts'
import { createShopServer, listen } from './server.ts'
import { type Shop, withShop } from './shop.ts'
import { storm } from './storm.ts'

const interrupted = new AbortController()

async function main({ once: isOnce, storm: orders }: Options): Promise<number> {
  if (orders !== undefined) return storm(orders, interrupted.signal)
  return withShop(process.env['DATABASE_URL'] || '.legwork/shop', async (shop) => {
    shop.lw.on('error', ({ during, error }) => console.error(`! ${during}: ${String(error)}`))
    await shop.lw.work({ concurrency: 5, stopOnSignal: false })
    return isOnce ? orderOnce(shop, interrupted.signal) : serve(shop)
  })
}

async function serve(shop: Shop): Promise<number> {
  const server = createShopServer(shop)
  try {
    console.log(`The shop is open at ${await listen(server, 4600)} – press Ctrl-C to close it`)
    if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort')
    return 0
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

async function run(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2))
    if (!options.help) return await main(options)
    console.log(help.trim())
    return 0
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    console.error(error instanceof UsageError || error instanceof LegworkError ? error.message : error)
    return error instanceof UsageError ? 2 : 1
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
process.exitCode = await run()

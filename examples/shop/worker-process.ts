import { withEngine } from './engine.ts'

// A worker in a process of its own, with a short lease so that the orders of a killed one are soon taken over.
const [, , url = '', services = '', smtp = ''] = process.argv

await withEngine({ url, connections: 3 }, { services, smtp: Number(smtp) }, async ({ lw }) => {
  await lw.work({ concurrency: 6, lease: '600ms', poll: '100ms', stopOnSignal: false })
  process.stdout.write('working\n')
  // Whoever started it holds the other end: it ends with them, however they end.
  await new Promise((resolve) => process.stdin.resume().once('close', resolve))
})

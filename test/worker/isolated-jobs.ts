import { threadId } from 'node:worker_threads'
import { z } from 'zod'
import { Abort, job } from '../../src/index.ts'

const module = import.meta.url
const input = z.object({ at: z.coerce.date() })

export const inThread = job('in-thread', { module, isolate: 'thread', input }, ({ input: given, progress, log }) => {
  progress(50, 'half way')
  log.info('from elsewhere', { thread: threadId > 0 })
  return { at: given.at, pid: process.pid, thread: threadId > 0 }
})

export const inProcess = job('in-process', { module, isolate: 'process', input }, ({ input: given }) => {
  return { at: given.at, pid: process.pid, thread: threadId > 0 }
})

export const scheduled = job('scheduled', { module, isolate: 'thread' }, ({ schedule }) => {
  return { hours: schedule?.nominal.getUTCHours(), from: schedule?.interval.from, isCatchUp: schedule?.isCatchUp }
})

export const endless = job('endless', { module, isolate: 'thread', timeout: '30s', retry: false }, ({ progress }) => {
  progress('spinning')
  for (;;);
})

export const refuses = job('refuses', { module, isolate: 'process' }, () => {
  throw new Abort('not today', { cause: new TypeError('inner') })
})

export const crashes = job('crashes', { module, isolate: 'process', retry: false }, () => process.exit(3))

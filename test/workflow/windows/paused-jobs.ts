import type pg from 'pg'
import { Abort, job } from '../../../src/index.ts'

/** What is not to be written by a process that was paused, declared dead, and wakes up. */
export type Moment = 'step' | 'settle' | 'undo' | 'progress'

/**
 * Jobs in which a process pauses at one moment.
 * @param who the process
 * @param pause stops it, and returns when it goes on
 */
export function pausedJobs(who: string, pool: pg.Pool, pause: () => void) {
  const did = (what: string) => pool.query('insert into deed values ($1)', [`${who}: ${what}`])
  const options = { retry: { attempts: 3, backoff: 'fixed', first: '50ms' }, crashes: 100 } as const
  return {
    step: job('step', options, async ({ step }) => {
      const result = await step('charge', async () => {
        await did('charge')
        pause()
        return who
      })
      await did('after it')
      return result
    }),
    settle: job('settle', options, async ({ step }) => {
      await step('charge', () => did('charge').then(() => undefined))
      pause()
      return who
    }),
    undo: job('undo', options, async ({ step }) => {
      await step('charge', () => did('charge').then(() => undefined), {
        undo: async () => {
          await did('refund')
          pause()
        },
      })
      throw new Abort('no')
    }),
    progress: job('progress', options, async ({ progress, log }) => {
      await did('import')
      pause()
      progress({ by: who })
      log.info(`told by ${who}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return who
    }),
  } as const
}

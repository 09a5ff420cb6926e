import { type AnyJob, job, type Schedule, schedule } from '../../src/index.ts'

export const noted: AnyJob = job('noted', { retry: 3 }, ({ schedule: facts }) => facts?.nominal.toISOString())

const options = { job: noted, overlap: 'allow', catchUp: 'all', catchUpWindow: '2d' } as const

/** All of them fire at every instant, however late: what is missing was lost, and what is there twice was doubled. */
export const schedules: readonly Schedule[] = [
  schedule('hourly', { ...options, cron: '0 * * * *' }),
  schedule('often', { ...options, cron: '*/15 * * * *', jitter: '5m' }),
  schedule('night', { ...options, cron: '30 2 * * *', timezone: 'Europe/Berlin' }),
  schedule('made', {
    ...options,
    cron: '10,50 6-18 * * 1-5',
    timezone: 'America/New_York',
    input: ({ nominal }) => nominal,
  }),
]

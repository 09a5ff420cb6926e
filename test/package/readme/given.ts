// What the code samples of the documents take for granted. A sample gets those of these names that it uses.

import { PGlite } from '@electric-sql/pglite'
import { z } from 'zod'
import { batch, job, legwork, schedule } from '../../../src/index.ts'

export { batch, job, legwork, schedule, z }

export const thumbnails = job(
  'photo.thumbnails',
  {
    input: z.object({ photo: z.string(), widths: z.array(z.number()) }),
    output: z.object({ files: z.array(z.string()) }),
    queue: 'images',
    tags: ['photos'],
  },
  ({ input, progress }) => {
    progress(100)
    return { files: input.widths.map((width) => `${input.photo}-${width}.jpg`) }
  },
)

export const welcome = job(
  'mail.welcome',
  { input: z.object({ to: z.email() }), queue: 'mail' },
  ({ input }) => input.to,
)

export const rebuildIndex = job('index.rebuild', { input: z.object({ shop: z.number() }) })

export const callShop = async (shop: number): Promise<Response> => new Response(null, { status: 200 + shop })

export const pglite = await PGlite.create(process.env['LEGWORK_DOCS_DATABASE'] ?? 'memory://')
await pglite.exec('create table photo (file text)')

export const lw = await legwork({ jobs: [thumbnails, welcome, rebuildIndex], database: { pglite } })
await lw.work({ stopOnSignal: false })

export const ref = await lw.enqueue(thumbnails, { photo: 'hen', widths: [320] })

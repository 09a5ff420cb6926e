import { instantOfText } from '../core/instant.ts'
import { Problem } from './problem.ts'
import type { Target } from './route.ts'

const mostBytes = 65_536

/**
 * Runs a schedule for the instant `at`, of the body or the query, or now. 201 when it has fired, 200 when the instant had
 * fired before, 409 when the schedule is paused or has ended.
 */
export async function trigger(target: Target, request: Request, [id = '']: readonly string[]): Promise<Response> {
  const key = request.headers.get('idempotency-key')?.trim()
  const at = await instantIn(request)
  const { state, pause } = await target.schedules.get(id)
  if (state !== 'active') {
    const reason = pause?.reason === undefined ? '' : `: ${pause.reason}`
    throw new Problem(
      409,
      state,
      `Schedule ${JSON.stringify(id)} ${state === 'paused' ? 'is paused' : 'has ended'}${reason}.`,
    )
  }
  const { id: job, created } = await target.schedules.run(id, {
    ...(at && { at }),
    ...(key !== undefined && key !== '' && { idempotencyKey: key }),
  })
  const answer = { schedule: id, job, fired: created ? 'now' : 'before', ...(at && { at: at.toISOString() }) }
  return Response.json(answer, { status: created ? 201 : 200 })
}

async function instantIn(request: Request): Promise<Date | undefined> {
  const inQuery = new URL(request.url).searchParams.get('at')
  const inBody = await atOfBody(request)
  if (inQuery !== null && inBody !== undefined && inQuery !== inBody)
    throw new Problem(400, 'ambiguous', 'The query and the body name different instants.')
  const text = inBody ?? inQuery ?? undefined
  return text === undefined ? undefined : instantOfText(text, 'at')
}

async function atOfBody(request: Request): Promise<string | undefined> {
  const body = await readAll(request)
  if (body.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new Problem(400, 'malformed', 'The body is not JSON.', 'Send {"at": "2026-11-28T02:00Z"}, or nothing.')
  }
  const at = typeof value === 'object' && value !== null && 'at' in value ? value.at : undefined
  if (at === undefined || typeof at === 'string') return at
  throw new Problem(
    400,
    'malformed',
    'The "at" of the body is not text.',
    'Send {"at": "2026-11-28T02:00Z"}, or nothing.',
  )
}

/** Stops reading where the body is longer than any that makes sense. */
async function readAll(request: Request): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > mostBytes) throw new Problem(413, 'too-large', `The body is longer than ${mostBytes} bytes.`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

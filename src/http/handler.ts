import { createHash, timingSafeEqual } from 'node:crypto'
import { optionError } from '../core/errors.ts'
import { Problem, problemOf } from './problem.ts'
import type { Route, Target } from './route.ts'
import { routes } from './routes.ts'

export interface HandlerOptions {
  /** Who has it may use the routes. Without one they are closed. */
  readonly token: string | undefined
}

const shortest = 16

/**
 * Answers requests: `POST …/schedules/:id/trigger`, under any prefix. Every answer is JSON, and every refusal a problem
 * of RFC 9457. Never throws.
 * @throws LW_OPTION_INVALID at once when the token is too short
 */
export function createHandler(target: Target, { token }: HandlerOptions): (request: Request) => Promise<Response> {
  if (token !== undefined && (typeof token !== 'string' || token.length < shortest || /\s/.test(token)))
    throw optionError('token', `text of at least ${shortest} characters without spaces`, 'another value')
  return async (request) => {
    try {
      const [route, params] = find(request)
      authorise(request, token)
      return await route.answer(target, request, params)
    } catch (error) {
      return problemOf(error)
    }
  }
}

function find(request: Request): [Route, readonly string[]] {
  const path = new URL(request.url).pathname
  const fitting = routes.flatMap((route) => {
    const match = route.path.exec(path)
    return match ? [{ route, params: match.slice(1).map(decoded) }] : []
  })
  const [first] = fitting
  if (!first) throw new Problem(404, 'not-found', 'There is no such route.', `The routes are: ${names()}.`)
  const found = fitting.find(({ route }) => route.method === request.method)
  if (found) return [found.route, found.params]
  const allow = fitting.map(({ route }) => route.method).join(', ')
  throw new Problem(405, 'method-not-allowed', `This route takes ${allow}.`, undefined, { allow })
}

function names(): string {
  return routes.map(({ method, name }) => `${method} ${name}`).join(', ')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function authorise(request: Request, token: string | undefined): void {
  if (token === undefined)
    throw new Problem(
      403,
      'closed',
      'This door is closed, because no token is set.',
      `Set LEGWORK_TOKEN, or legwork({ token }), to a secret text of at least ${shortest} characters, and send it as "Authorization: Bearer …".`,
    )
  const [, given] = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (given !== undefined && isSame(given, token)) return
  throw new Problem(
    401,
    'unauthorized',
    given === undefined ? 'The request has no token.' : 'The token is not the right one.',
    'Send "Authorization: Bearer …" with the token of this engine.',
    { 'www-authenticate': 'Bearer' },
  )
}

/** Takes as long for any wrong token, so that time tells nothing. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}

import { type ErrorCode, isUnreachable, LegworkError } from '../core/errors.ts'

/** A refusal. */
export class Problem extends Error {
  readonly status: number
  readonly type: string
  readonly hint: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    type: string,
    detail: string,
    hint?: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.status = status
    this.type = type
    this.hint = hint
    this.headers = headers
  }
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  LW_OPTION_INVALID: 400,
  LW_INPUT_INVALID: 400,
  LW_SCHEDULE_UNKNOWN: 404,
  LW_JOB_STATE: 409,
  LW_IDEMPOTENCY_MISMATCH: 422,
}

/** A refusal as RFC 9457 has it, with the code of the error. What nobody expected says nothing about the inside. */
export function problemOf(error: unknown): Response {
  if (error instanceof Problem) {
    const { status, type, message, hint, headers } = error
    return answer({ type: `urn:legwork:${type}`, title: titles[status], status, detail: message, hint }, headers)
  }
  if (!(error instanceof LegworkError)) return answer({ type: 'about:blank', title: titles[500], status: 500 })
  const { code, hint, message } = error
  const isAway = isUnreachable(error)
  const status = isAway ? 503 : (statuses[code] ?? 500)
  const detail = message.replace(` [${code}]`, '').replace(hint === undefined ? '' : ` ${hint}`, '')
  const facts = { type: `urn:legwork:${code}`, title: titles[status], status, detail, hint, code }
  return answer(facts, isAway ? { 'retry-after': '5' } : {})
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

function answer(
  facts: { status: number; [name: string]: unknown },
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(facts, {
    status: facts.status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
  })
}

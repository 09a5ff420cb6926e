import {
  type ErrorCode,
  errorCodes,
  LegworkError,
  reviveError,
  type SerializedError,
  serializeError,
} from '../../core/errors.ts'

/** An error of the engine on its way to an isolated handler, where it has to be the same as beside the engine. */
export interface CarriedError extends SerializedError {
  readonly hint?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** The error as plain data; details are values that JSON can hold. */
export function carry(error: unknown): CarriedError {
  const plain = serializeError(error)
  if (!(error instanceof LegworkError)) return plain
  const { hint, details } = error
  return { ...plain, details, ...(hint !== undefined && { hint }) }
}

export function arrived(carried: CarriedError): Error {
  const { code, message, hint, details, cause } = carried
  if (!isOurs(code)) return reviveError(carried)
  const end = `${hint === undefined ? '' : ` ${hint}`} [${code}]` // which the class adds
  return new LegworkError(code, message.endsWith(end) ? message.slice(0, -end.length) : message, {
    ...(hint !== undefined && { hint }),
    ...(details && { details }),
    ...(cause && { cause: reviveError(cause) }),
  })
}

function isOurs(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorCodes, code)
}

import { LegworkError } from '../../core/errors.ts'
import type { AnyJob, Handler } from '../../core/definition.ts'

/** A definition that can be run. */
export type RunnableJob = AnyJob & { readonly handler: Handler }

/**
 * Imports a module and finds the definition of a job among its exports, also in exported lists and objects.
 * @throws LW_ISOLATE_MODULE when the module cannot be loaded, or does not export the job with a handler
 */
export async function loadDefinition(module: string, name: string): Promise<RunnableJob> {
  const exports = await load(module, name)
  const found = candidates(exports)
  const named = found.filter((definition) => definition.name === name)
  const runnable = named.find((definition): definition is RunnableJob => typeof definition.handler === 'function')
  if (runnable) return runnable
  if (named.length > 0) {
    throw moduleError(`Module ${module} exports job "${name}" without a handler.`, {
      hint: 'Export the definition that .handle() returns, and name that module in the option module.',
    })
  }
  const jobs = [...new Set(found.map((definition) => `"${definition.name}"`))].join(', ') || 'none'
  const names = Object.keys(exports).join(', ') || 'nothing'
  throw moduleError(`Module ${module} does not export job "${name}". It exports ${names}; jobs among them: ${jobs}.`, {
    hint: 'Export the definition from the module named in its option module.',
    details: { module, job: name, exports: Object.keys(exports) },
  })
}

async function load(module: string, name: string): Promise<Record<string, unknown>> {
  if (!module.startsWith('file:'))
    throw moduleError(`The module of isolated job "${name}" is not a file URL: ${module}.`)
  try {
    return (await import(module)) as Record<string, unknown>
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const unreadable = cause instanceof Error && 'code' in cause && cause.code === 'ERR_UNKNOWN_FILE_EXTENSION'
    throw moduleError(`Module ${module} of isolated job "${name}" cannot be loaded: ${reason}.`, {
      cause,
      ...(unreadable && { hint: 'For TypeScript, use Node 22.18 or later, install tsx, or name the compiled file.' }),
    })
  }
}

function candidates(exports: Record<string, unknown>): AnyJob[] {
  const direct = Object.values(exports)
  const nested = direct.flatMap((value) => (isContainer(value) ? Object.values(value) : []))
  return [...direct, ...nested].filter(isDefinition)
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isDefinition(value)
}

function isDefinition(value: unknown): value is AnyJob {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'handler' in value &&
    'retry' in value
  )
}

function moduleError(message: string, options: ConstructorParameters<typeof LegworkError>[2] = {}): LegworkError {
  return new LegworkError('LW_ISOLATE_MODULE', message, options)
}

import { UsageError } from './command.ts'

/** What `parseArgs` finds; its complaints are about the command line. @throws UsageError */
export function argsOf<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

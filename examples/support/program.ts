import { LegworkError } from 'legwork'

/** Something that the user can put right. */
export class UsageError extends Error {}

export interface Program<Options extends { readonly help: boolean }> {
  readonly help: string
  /** @throws UsageError */
  readonly readOptions: (args: readonly string[]) => Options
  /** Returns the exit code. The signal aborts on Ctrl-C. */
  readonly main: (options: Options, interrupted: AbortSignal) => Promise<number>
  /** Called before anything else is printed, to take away what is not to stay on the screen. */
  readonly clear?: () => void
}

/** Runs a program of the command line: 2 for what the user can put right, 130 when it was interrupted, 1 for a fault. */
export async function runProgram<Options extends { readonly help: boolean }>(program: Program<Options>): Promise<void> {
  const interrupted = new AbortController()
  const stop = () => {
    if (interrupted.signal.aborted) return
    program.clear?.()
    console.log('\nStopping.')
    interrupted.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  process.exitCode = await codeOf(program, interrupted.signal)
}

async function codeOf<Options extends { readonly help: boolean }>(
  { help, readOptions, main, clear }: Program<Options>,
  interrupted: AbortSignal,
): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2))
    if (!options.help) return await main(options, interrupted)
    console.log(help.trim())
    return 0
  } catch (error) {
    if (interrupted.aborted) return 130
    clear?.()
    console.error(error instanceof UsageError || error instanceof LegworkError ? error.message : error)
    return error instanceof UsageError ? 2 : 1
  }
}

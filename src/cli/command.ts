import type { ExitCode } from './exit-codes.ts'

/** Where a command reads and writes; tests give others. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  readFile(path: string): Promise<string>
  writeFile(path: string, text: string): Promise<void>
}

/** A command: one file each. */
export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  readonly help: string
  run(args: readonly string[], terminal: Terminal): Promise<ExitCode>
}

/** The command line is not right; the message says why. */
export class UsageError extends Error {}

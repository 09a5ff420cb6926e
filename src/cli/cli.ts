import { isUnreachable, LegworkError } from '../core/errors.ts'
import { version } from '../version.ts'
import { nearest } from '../core/suggest.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'
import { importSchedules } from './import-schedules.ts'
import { trigger } from './trigger.ts'

const commands: readonly Command[] = [trigger, importSchedules]

/** Runs a command line. Never throws: what went wrong is written to `err`, and the exit code says what kind it is. */
export async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [name = '--help', ...rest] = args
  if (name === '--version' || name === '-v') return say(terminal, version)
  if (name === '--help' || name === '-h' || name === 'help') return say(terminal, helpOf(rest[0]))
  const command = commands.find((each) => each.name === name)
  if (!command) return refuse(terminal, unknownCommand(name), overview())
  if (rest.includes('--help') || rest.includes('-h')) return say(terminal, command.help)
  try {
    return await command.run(rest, terminal)
  } catch (error) {
    return failure(error, command, terminal)
  }
}

function failure(error: unknown, command: Command, terminal: Terminal): ExitCode {
  if (error instanceof UsageError) return refuse(terminal, error.message, command.help)
  terminal.err(`legwork: ${error instanceof Error ? error.message : String(error)}`)
  if (isUnreachable(error) || isNoServer(error)) return exitCodes.unreachable
  if (!(error instanceof LegworkError)) return exitCodes.failed
  if (error.code === 'LW_DATABASE_LOCKED') return exitCodes.unreachable
  if (error.code === 'LW_SCHEDULE_UNKNOWN') return exitCodes.unknown
  return error.code === 'LW_OPTION_INVALID' ? exitCodes.usage : exitCodes.failed
}

/** Errors of the network, and of a server that refuses the name or the password: 28… and 3D… of SQL. */
function isNoServer(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return /^(ECONN|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|EAI_|28\d{3}|3D000|57P03)/.test(code)
}

function say(terminal: Terminal, text: string): ExitCode {
  terminal.out(text)
  return exitCodes.done
}

function refuse(terminal: Terminal, reason: string, help: string): ExitCode {
  terminal.err(`legwork: ${reason}\n\n${help}`)
  return exitCodes.usage
}

function unknownCommand(name: string): string {
  const near = nearest(
    name,
    commands.map((each) => each.name),
  )
  return `There is no command ${name}.${near === undefined ? '' : ` Did you mean ${near}?`}`
}

function helpOf(name: string | undefined): string {
  return commands.find((each) => each.name === name)?.help ?? overview()
}

function overview(): string {
  return [
    'Usage: legwork <command> [options]',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(18)}${summary}`),
    '',
    'legwork <command> --help says more. legwork --version prints the version.',
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong use, 3 no such schedule, 4 refused, 5 database not reached.',
  ].join('\n')
}

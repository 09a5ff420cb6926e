/** What the end of a command says. */
export const exitCodes = {
  /** It was done, or had been done before. */
  done: 0,
  /** Something nobody expected. */
  failed: 1,
  /** The command line, or the file that it names, is not right. */
  usage: 2,
  /** There is no schedule of that name. */
  unknown: 3,
  /** The schedule is paused, or has ended. */
  refused: 4,
  /** The database cannot be reached. */
  unreachable: 5,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program from the repository's root and resolves with its exit code and captured output.
 * With `show` the output goes straight to the terminal instead. Signals reach the program, so it can end in its own way.
 */
export async function run(command, args, { show = false, cwd = root, env = {} } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    // npm is a .cmd file on Windows, which only a shell can start.
    shell: process.platform === 'win32',
  })
  const forward = (signal) => child.kill(signal)
  for (const signal of forwarded) process.on(signal, forward)
  try {
    return await finished(child)
  } finally {
    for (const signal of forwarded) process.off(signal, forward)
  }
}

/** Like `run`, but a failure is an error that shows everything the program said. */
export async function must(command, args, options) {
  const { code, output } = await run(command, args, options)
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} failed with exit code ${code}\n${output}`.trim())
  return output
}

/** The path of an installed program: the one place that knows where npm puts them. */
export function bin(name) {
  return fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url))
}

/** Ends this process the way a script should: a message instead of a stack trace, and a failing exit code. */
export function exitOnError(error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

/** True when this module is the program being run, not one that is imported. */
export function isMain(meta) {
  return process.argv[1] === fileURLToPath(meta.url)
}

function finished(child) {
  return new Promise((resolve, reject) => {
    let output = ''
    const collect = (chunk) => (output += chunk)
    child.stdout?.setEncoding('utf8').on('data', collect)
    child.stderr?.setEncoding('utf8').on('data', collect)
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: code ?? 128 + signalNumber(signal), output }))
  })
}

function signalNumber(signal) {
  return { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A process of its own that runs a script of this folder; it is gone when the test ends. */
export interface Script {
  readonly pid: number
  /** Everything it has said so far, by lines. */
  readonly lines: readonly string[]
  /** What it wrote to its standard error, for messages of failing tests. */
  readonly errors: () => string
  /** Resolves with the first line that fits, also one that was said before; rejects when the process ends without it. */
  said(fits: string | ((line: string) => boolean)): Promise<string>
  tell(line: string): void
  kill(signal?: NodeJS.Signals): void
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

export function run(script: string, ...args: readonly string[]): Script {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const { DATABASE_URL: _, NODE_OPTIONS: __, ...env } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env })
  const lines: string[] = []
  let errors = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    child.emit('said')
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  child.stdin.on('error', () => undefined) // it may be dead already
  child.setMaxListeners(100)
  const ended = endOf(child)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const said = async (fits: string | ((line: string) => boolean)) => {
    const match = typeof fits === 'string' ? (line: string) => line === fits : fits
    for (;;) {
      const line = lines.find(match)
      if (line !== undefined) return line
      const over = await Promise.race([once(child, 'said').then(() => false), ended.then(() => true)])
      if (over && !lines.some(match))
        throw new Error(`The process ended without a word.\n${lines.join('\n')}\n${errors}`)
    }
  }
  return {
    pid: child.pid ?? -1,
    lines,
    errors: () => errors,
    said,
    tell: (line) => void child.stdin.write(`${line}\n`),
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    ended,
  }
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal }
}

/** Looks again and again until `look` finds something; for what happens in other processes. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  patience = 60_000,
): Promise<T> {
  for (const deadline = Date.now() + patience; ;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error(`Waited ${patience / 1000} s in vain: ${what}.`)
    await sleep(30)
  }
}

import { Findings, type Imported, type ImportOptions } from './imported.ts'

const command = { name: 'command', kind: 'command' } as const

/** What cron does: runs may overlap, nothing is made up for, nothing is tried again. */
const asCron = { overlap: 'allow', catchUp: 'none', retry: false } as const

/** Settings of cron itself; others are variables of the command. */
const ofCron = ['CRON_TZ', 'TZ', 'MAILTO', 'MAILFROM', 'RANDOM_DELAY', 'SHELL']

interface Environment {
  readonly variables: Record<string, string>
  timezone: string | undefined
  delay: number
}

/** Reads a crontab, one schedule per line. */
export function importCrontab(text: string, options: ImportOptions = {}): Imported {
  const found = new Findings()
  const environment: Environment = { variables: {}, timezone: options.timezone, delay: 0 }
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim()
    const where = `line ${index + 1}`
    if (line === '' || line.startsWith('#')) continue
    const setting = /^([A-Za-z_]\w*|"[^"]*"|'[^']*')\s*=\s*(.*)$/.exec(line)
    if (setting) set(environment, unquoted(setting[1] ?? ''), unquoted(setting[2] ?? ''), where, found)
    else addLine(line.replace(/^-/, ''), where, environment, options, found)
  }
  if (found.schedules.some(({ spec }) => spec.timezone === undefined))
    found.note(
      'the file',
      'changed',
      'Lines without CRON_TZ were on the clock of their machine; they are in UTC now. Give --timezone.',
    )
  return found
}

function set(environment: Environment, name: string, value: string, where: string, found: Findings): void {
  if (!ofCron.includes(name)) environment.variables[name] = value
  else if (name === 'CRON_TZ') environment.timezone = value === '' ? undefined : value
  else if (name === 'RANDOM_DELAY') environment.delay = Number(value) * 60_000
  else if (name === 'TZ') environment.variables['TZ'] = value
  else if (name === 'SHELL' && value !== '/bin/sh')
    found.note(where, 'changed', `Commands are run by /bin/sh and not by ${value}.`)
  else if (name === 'MAILTO' && value !== '')
    found.note(where, 'lost', 'No mail is sent; what a command prints is the output of its job.')
}

function addLine(line: string, where: string, environment: Environment, options: ImportOptions, found: Findings): void {
  const count = line.startsWith('@') ? 1 : 5
  const fields = new RegExp(`^((?:\\S+\\s+){${count}})(.*)$`, 's').exec(line)
  const [, times = '', afterTimes = ''] = fields ?? []
  const [, user, rest] = options.isSystem ? (/^(\S+)\s+(.*)$/s.exec(afterTimes) ?? []) : ['', undefined, afterTimes]
  if (rest === undefined || rest === '') return found.note(where, 'left out', 'It has no times and command.')
  const { cron, isChanged } = withoutChance(times.trim())
  if (isChanged)
    found.note(where, 'changed', 'A time that cron chose at random (~) is chosen by the id of the schedule (H).')
  if (user !== undefined && user !== 'root')
    found.note(where, 'lost', `It ran as the user ${user}; now it runs as the user of the worker.`)
  const [text = '', ...lines] = splitPercent(rest)
  const { variables, timezone, delay } = environment
  found.add({
    id: nameOf(text),
    spec: { cron, ...(timezone !== undefined && { timezone }) },
    options: { ...asCron, ...(delay > 0 && { jitter: delay }) },
    job: command,
    input: {
      command: text,
      ...(lines.length > 0 && { stdin: `${lines.join('\n')}\n` }),
      ...(Object.keys(variables).length > 0 && { env: { ...variables } }),
    },
    where,
  })
}

/** `30~45` of cronie. */
function withoutChance(times: string): { cron: string; isChanged: boolean } {
  const cron = times.replace(/(?<!\S)(\d*)~(\d*)(?!\S)/g, (_, low: string, high: string) =>
    low === '' && high === '' ? 'H' : `H(${low || '0'}-${high || '59'})`,
  )
  return { cron, isChanged: cron !== times }
}

/** The first percent sign ends the command, the others are new lines of its input; `\%` is a percent sign. */
function splitPercent(text: string): string[] {
  return text.split(/(?<!\\)%/).map((part) => part.replaceAll('\\%', '%'))
}

/** The name of the program, past what only prepares it. */
function nameOf(text: string): string {
  const last = text.split(/&&|;/).find((part) => !/^\s*(cd|export|source|\.|sleep|test|\[)\s/.test(part)) ?? text
  const words = last
    .trim()
    .split(/\s+/)
    .filter((word) => !/=/.test(word))
  const prefix = [
    'sudo',
    'nice',
    'ionice',
    'flock',
    'timeout',
    'bash',
    'sh',
    'node',
    'python3',
    'python',
    'php',
    'perl',
    '/usr/bin/env',
  ]
  const word =
    words.find((each) => !each.startsWith('-') && !prefix.includes(each.replace(/^.*\/(?=[^/]+$)/, ''))) ?? 'command'
  return (
    word
      .replace(/^.*\//, '')
      .replace(/\.(sh|js|mjs|ts|py|php|pl|rb)$/, '')
      .replaceAll(/[^\w.-]+/g, '-') || 'command'
  )
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text
}

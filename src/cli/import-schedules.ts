import { basename, resolve } from 'node:path'
import { argsOf } from './args.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { importers } from './import/index.ts'
import type { Imported } from './import/imported.ts'
import { dataOf, sourceOf } from './import/source.ts'

const help = `Usage: legwork import-schedules <system> <file> [options]

Turns the schedules of another system into a TypeScript module, and says line by line what is not the same.

Systems:
  azure        jobs of Azure Scheduler, as its REST API writes them
  crontab      a crontab, of a user or of the system
  eventbridge  rules or schedules, as the aws CLI prints them
  hangfire     recurring jobs, as its storage or its API has them
  quartz       jobs and triggers of Quartz or Quartz.NET, XML or JSON

Options:
  --out <file>       where to write; default: to the terminal
  --json             write data instead of TypeScript
  --timezone <zone>  the zone of schedules that name none, such as Europe/Berlin
  --system           the crontab has users in its sixth field; default: if it is /etc/crontab or in /etc/cron.d

Exit codes: 0 done, also with notes; 2 wrong use, or a file that cannot be read.`

/** `legwork import-schedules`: from other systems to schedules in code. Touches no database. */
export const importSchedules: Command = {
  name: 'import-schedules',
  summary: 'turn schedules of another system into code',
  help,
  run: async (args, terminal) => {
    const { values, positionals } = argsOf(args, {
      out: { type: 'string' },
      json: { type: 'boolean' },
      timezone: { type: 'string' },
      system: { type: 'boolean' },
    })
    const [system = '', file, ...more] = positionals
    const read = Object.hasOwn(importers, system) ? importers[system] : undefined
    if (!read) throw new UsageError(`Name a system: ${Object.keys(importers).join(', ')}.`)
    if (file === undefined || more.length > 0) throw new UsageError('Name one file.')
    const text = await readFile(file, terminal)
    const { timezone, system: isSystem = /^\/etc\/cron(tab$|\.d\/)/.test(resolve(file)) } = values
    const found = await read(text, { isSystem, ...(timezone !== undefined && { timezone }) })
    const written = values.json ? JSON.stringify(dataOf(found), null, 2) : sourceOf(found, basename(file))
    if (values.out === undefined) terminal.out(written)
    else await terminal.writeFile(values.out, written.endsWith('\n') ? written : `${written}\n`)
    terminal.err(report(found))
    return exitCodes.done
  },
}

async function readFile(path: string, terminal: Terminal): Promise<string> {
  try {
    return await terminal.readFile(path)
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
  }
}

function report({ schedules, notes }: Imported): string {
  return [
    ...schedules.map(({ where, id, sentence }) => `${where}: ${id}. ${sentence}`),
    ...notes.map(({ where, kind, text }) => `${where}, ${kind}: ${text}`),
    `${schedules.length} imported, ${notes.filter(({ kind }) => kind === 'left out').length} left out.`,
  ].join('\n')
}

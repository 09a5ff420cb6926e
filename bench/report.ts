import { cpus, totalmem } from 'node:os'
import { judgeAll, type Verdict, verdictLine } from './goals.ts'
import { median, show } from './numbers.ts'
import type { Options } from './options.ts'
import { peers, versionsOf } from './peers/index.ts'
import type { Sample, Skip } from './run.ts'
import type { MetricInfo, Scenario } from './scenario.ts'
import type { Servers } from './servers.ts'

/** Everything that is known about one run of the benchmark; what `--json` writes. */
export interface Report {
  readonly date: string
  readonly machine: string
  readonly servers: Readonly<Record<string, string>>
  readonly command: string
  readonly rounds: number
  readonly peers: Readonly<Record<string, { readonly versions: string; readonly settings: string }>>
  readonly scenarios: Readonly<
    Record<string, { readonly title: string; readonly metrics: Readonly<Record<string, MetricInfo>> }>
  >
  /** By metric and peer, a value per round. */
  readonly values: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>
  readonly goals: readonly Verdict[]
  readonly skips: readonly Skip[]
}

export function buildReport(
  chosen: readonly Scenario[],
  options: Options,
  servers: Servers,
  samples: readonly Sample[],
  skips: readonly Skip[],
): Report {
  const values: Record<string, Record<string, number[]>> = {}
  for (const { metric, peer, value } of samples) ((values[metric] ??= {})[peer] ??= []).push(value)
  const measured = new Set(samples.map((sample) => sample.peer))
  const [cpu] = cpus()
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    machine: `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform}-${process.arch}, Node ${process.version}`,
    servers: Object.fromEntries(
      Object.entries(servers).flatMap(([name, server]) => (server.ready ? [[name, server.about]] : [])),
    ),
    command: `npm run bench -- ${process.argv.slice(2).map(quiet).join(' ')}`.trim(),
    rounds: options.rounds,
    peers: Object.fromEntries([...measured].map((name) => [name, aboutPeer(name)])),
    scenarios: Object.fromEntries(chosen.map(({ name, title, metrics }) => [name, { title, metrics }])),
    values,
    goals: judgeAll(
      chosen.map((scenario) => scenario.name),
      (peer, metric) => values[metric]?.[peer] ?? [],
    ),
    skips,
  }
}

/** Without the password of a URL. */
function quiet(argument: string): string {
  return argument.replace(/(\/\/[^:/@]+):[^@]+@/, '$1:…@')
}

function aboutPeer(name: string): { versions: string; settings: string } {
  const peer = peers.get(name)!
  const versions = versionsOf(peer)
  const list =
    typeof versions === 'string' ? [] : Object.entries(versions).map(([pack, version]) => `${pack} ${version}`)
  return { versions: list.join(', '), settings: peer.settings }
}

export function header(report: Report): string {
  const about = Object.entries(report.peers).map(
    ([name, { versions, settings }]) => `  ${name}: ${versions}; ${settings}`,
  )
  return [
    `${report.date}, ${report.machine}`,
    ...Object.values(report.servers),
    `${report.rounds} rounds in turn after a warm-up: median (lowest to highest)`,
    report.command,
    ...about,
  ].join('\n')
}

/** A line per metric, a column per peer. */
export function table(report: Report): string {
  const blocks = Object.values(report.scenarios).map(({ title, metrics }) => {
    const { columns, rows } = rowsOf(report, metrics)
    return `${title}\n${aligned([['', ...columns], ...rows])}`
  })
  return blocks.join('\n\n')
}

function cell(values: readonly number[] | undefined): string {
  if (!values || values.length === 0) return '–'
  return `${show(median(values))} (${show(Math.min(...values))} to ${show(Math.max(...values))})`
}

function aligned(rows: readonly string[][]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join('   '),
    )
    .join('\n')
}

/** For a README: a table per scenario, the goals, and how to get the same. */
export function markdown(report: Report): string {
  const tables = Object.values(report.scenarios).flatMap(({ title, metrics }) => {
    const { columns, rows } = rowsOf(report, metrics)
    if (rows.length === 0) return []
    const lines = [['', ...columns], ['---', ...columns.map(() => '--:')], ...rows]
    return [`**${title}**\n\n${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}`]
  })
  const peerLines = Object.entries(report.peers).map(
    ([name, { versions, settings }]) => `- ${name}: ${versions}; ${settings}`,
  )
  const about = [
    `${report.date}; ${report.machine}; ${Object.values(report.servers).join('; ')}.`,
    `Medians of ${report.rounds} rounds in turn after a warm-up, in brackets the lowest and highest round. Repeat with \`${report.command}\`.`,
  ]
  const goals = report.goals.length > 0 ? [`\`\`\`\n${report.goals.map(verdictLine).join('\n')}\n\`\`\``] : []
  return `${[about.join('\n'), ...tables, peerLines.join('\n'), ...goals].join('\n\n')}\n`
}

function rowsOf(
  report: Report,
  metrics: Readonly<Record<string, MetricInfo>>,
): { columns: string[]; rows: string[][] } {
  const measured = Object.entries(metrics).filter(([metric]) => report.values[metric])
  const columns = [...new Set(measured.flatMap(([metric]) => Object.keys(report.values[metric] ?? {})))]
  const rows = measured.map(([metric, info]) => [
    `${info.title}, ${info.unit}`,
    ...columns.map((peer) => cell(report.values[metric]?.[peer])),
  ])
  return { columns, rows }
}

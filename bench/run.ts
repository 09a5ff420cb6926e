import { fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Answer, Task } from './child.ts'
import { verdictLine } from './goals.ts'
import { readOptions, usage, type Options } from './options.ts'
import { peers, versionsOf } from './peers/index.ts'
import { chart } from './chart.ts'
import { buildReport, header, markdown, table, type Report } from './report.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios/index.ts'
import { findServers, type Server, type Servers } from './servers.ts'

export interface Sample {
  readonly metric: string
  readonly peer: string
  readonly round: number
  readonly value: number
}

export interface Skip {
  readonly peer: string
  readonly what: string
  readonly why: string
}

/** Ctrl-C ends the run under way; what was started and made for it is still cleaned up. */
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) return console.log(usage)
  const chosen = options.scenarios.map((name) => scenarios.get(name)!)
  const wanted = new Set(
    options.peers
      .filter((name) => chosen.some((scenario) => takesPart(scenario, name)))
      .map((name) => peers.get(name)!.store),
  )
  const servers = await findServers(wanted, options.database, options.redis)
  try {
    const { samples, skips } = await measure(chosen, options, servers)
    const report = buildReport(chosen, options, servers, samples, skips)
    await publish(report, options)
  } finally {
    for (const server of Object.values(servers)) if (server.ready) await server.stop()
  }
}

async function publish(report: Report, options: Options): Promise<void> {
  console.log(`\n${header(report)}\n\n${table(report)}`)
  if (report.goals.length > 0) console.log(`\n${report.goals.map(verdictLine).join('\n')}`)
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`)
  if (options.svg) await writeFile(options.svg, chart(report))
  if (options.markdown) await writeFile(options.markdown, markdown(report))
  if (options.check && report.goals.some((verdict) => !verdict.reached)) process.exitCode = 1
}

/** Peers in turn within each round, the rounds one after the other; the first round only warms up. */
async function measure(
  chosen: readonly Scenario[],
  options: Options,
  servers: Servers,
): Promise<{ samples: Sample[]; skips: Skip[] }> {
  const samples: Sample[] = []
  const skips: Skip[] = []
  for (const scenario of chosen) {
    const runs = plan(scenario, options, servers, skips)
    const failed = new Set<string>()
    for (let round = 0; round <= options.rounds; round++) {
      for (const { peer, name } of runs) {
        if (failed.has(`${peer} ${name}`)) continue
        interrupted.signal.throwIfAborted()
        const answer = await runOne(scenario, name, peer, options, servers[peers.get(peer)!.store])
        interrupted.signal.throwIfAborted()
        if ('failed' in answer) {
          failed.add(`${peer} ${name}`)
          skips.push({ peer, what: label(scenario, name), why: `failed: ${answer.failed.split('\n')[0]}` })
          console.error(`${peer}, ${label(scenario, name)}:`, answer.failed)
          continue
        }
        console.log(progressLine(scenario, name, peer, round, answer.found))
        if (round === 0) continue
        for (const [metric, value] of Object.entries(answer.found)) {
          // What could not be measured in the time there was (nothing was settled) has no figure.
          if (Number.isFinite(value)) samples.push({ metric, peer, round, value })
        }
      }
    }
  }
  return { samples, skips }
}

function progressLine(
  scenario: Scenario,
  name: string,
  peer: string,
  round: number,
  found: Record<string, number>,
): string {
  const values = Object.entries(found)
    .slice(0, 3)
    .map(([metric, value]) => `${metric} ${Math.round(value * 100) / 100}`)
  return `${round === 0 ? 'warm-up' : `round ${round}`}  ${label(scenario, name)}  ${peer}: ${values.join('  ')}`
}

function label(scenario: Scenario, name: string): string {
  return scenario.name === name ? name : `${scenario.name}/${name}`
}

function takesPart(scenario: Scenario, peer: string): boolean {
  const only = peers.get(peer)?.only
  if (only !== undefined && only !== scenario.name) return false
  return scenario.peers ? scenario.peers.includes(peer) : peers.get(peer)?.store !== 'pglite'
}

/** Which peer runs which case; says why a peer does not. */
function plan(scenario: Scenario, options: Options, servers: Servers, skips: Skip[]): { peer: string; name: string }[] {
  const runs: { peer: string; name: string }[] = []
  for (const name of Object.keys(scenario.cases)) {
    for (const peer of options.peers.filter((one) => takesPart(scenario, one))) {
      const why = whyNot(scenario, name, peer, servers)
      if (why === undefined) runs.push({ peer, name })
      else {
        skips.push({ peer, what: label(scenario, name), why })
        console.log(`skipped  ${label(scenario, name)}  ${peer}: ${why}`)
      }
    }
  }
  return runs
}

function whyNot(scenario: Scenario, name: string, peerName: string, servers: Servers): string | undefined {
  const peer = peers.get(peerName)!
  const missing = versionsOf(peer)
  if (typeof missing === 'string') return `${missing} is not installed`
  const server = servers[peer.store]
  return server.ready ? scenario.unfit?.(peer, name) : server.why
}

async function runOne(
  scenario: Scenario,
  name: string,
  peer: string,
  options: Options,
  server: Server,
): Promise<Answer> {
  if (!server.ready) throw new Error(server.why)
  const { place, remove } = await server.place()
  try {
    const { watched } = server
    return await inChild(
      { role: 'run', scenario: scenario.name, case: name, peer, place, watched, sizes: options.sizes },
      options.profile,
    )
  } finally {
    await remove()
  }
}

/** A process per run: what one peer leaves in the heap does not tilt the next. */
async function inChild(task: Task, profile: string | undefined): Promise<Answer> {
  const file = fileURLToPath(new URL('child.ts', import.meta.url))
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = fork(file, { execArgv: [...process.execArgv, ...flags] })
  // Preparing takes its time too; whoever needs much more than that hangs.
  const kill = () => child.kill('SIGKILL')
  const timer = setTimeout(kill, (task.sizes.seconds * 4 + 300) * 1000)
  interrupted.signal.addEventListener('abort', kill)
  try {
    return await new Promise<Answer>((resolve) => {
      let answer: Answer = { failed: 'the process ended without an answer' }
      child.on('message', (message: Answer) => (answer = message))
      child.once('exit', () => resolve(answer))
      child.send(task)
    })
  } finally {
    clearTimeout(timer)
    interrupted.signal.removeEventListener('abort', kill)
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})

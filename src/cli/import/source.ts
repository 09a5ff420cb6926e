import { wireSpec } from '../../core/calendar/spec.ts'
import type { Imported, ImportedJob, ImportedSchedule } from './imported.ts'

/** What was found as data: specs and options as `schedule()` takes them, and the notes. */
export function dataOf({ schedules, notes }: Imported): unknown {
  return {
    schedules: schedules.map(({ id, spec, options, job, input, isOff, where, sentence }) => ({
      id,
      job: job.name,
      ...wireSpec(spec),
      ...options,
      ...(input !== undefined && { input }),
      ...(isOff && { isOff }),
      where,
      sentence,
    })),
    notes,
  }
}

/** What was found as a TypeScript module that exports `jobs` and `schedules`. */
export function sourceOf({ schedules, notes }: Imported, from: string): string {
  const names = new Names()
  const jobs = new Map<string, { job: ImportedJob; name: string }>()
  for (const { job } of schedules)
    if (!jobs.has(job.name))
      jobs.set(job.name, { job, name: names.free(job.name.split(/[./]/).slice(-2).join(' '), 'Job') })
  const exported = schedules.map((each) => ({ ...each, name: names.free(each.id, 'Schedule') }))
  const kinds = new Set([...jobs.values()].map(({ job }) => job.kind))
  return [
    `// Imported from ${from}. Read what the notes at the end say before you use it.`,
    ...(kinds.has('command')
      ? ["import { execFile } from 'node:child_process'", "import { promisify } from 'node:util'"]
      : []),
    "import { job, schedule } from 'legwork'",
    '',
    ...[...jobs.values()].flatMap(({ job, name }) => [jobSource(job, name), '']),
    ...exported.flatMap((each) => [scheduleSource(each, each.name, jobs.get(each.job.name)?.name ?? ''), '']),
    `export const jobs = [${[...jobs.values()].map(({ name }) => name).join(', ')}]`,
    '',
    `export const schedules = [${exported
      .filter(({ isOff }) => !isOff)
      .map(({ name }) => name)
      .join(', ')}]`,
    ...(notes.length > 0 ? ['', '// Notes:'] : []),
    ...notes.map(({ where, kind, text }) => `// - ${where}, ${kind}: ${oneLine(text)}`),
    '',
  ].join('\n')
}

function jobSource({ name, kind }: ImportedJob, constant: string): string {
  if (kind === 'command') return commandSource.replace('$name', constant)
  if (kind === 'http') return httpSource.replace('$name', constant)
  return `/** Its handler is still to be written: ${constant}.handle(({ input }) => …). */\nexport const ${constant} = job(${literal(name)})`
}

const commandSource = `export const $name = job('command', {}, async ({ input, signal }) => {
  const { command, stdin = '', env } = input as { command: string; stdin?: string; env?: Record<string, string> }
  const run = promisify(execFile)('/bin/sh', ['-c', command], { signal, env: { ...process.env, ...env } })
  run.child.stdin?.end(stdin)
  return (await run).stdout
})`

const httpSource = `export const $name = job('http', {}, async ({ input, signal }) => {
  const { url, ...request } = input as { url: string; method: string; headers?: Record<string, string>; body?: string }
  const response = await fetch(url, { ...request, signal })
  if (!response.ok) throw new Error(\`\${url} answered \${response.status}\`)
  return { status: response.status }
})`

function scheduleSource(schedule: ImportedSchedule & { sentence: string }, name: string, job: string): string {
  const { id, spec, options, input, where, sentence } = schedule
  const fields = Object.entries({ ...wireSpec(spec), ...options })
  return [
    `/** ${oneLine(where)}. ${oneLine(sentence)} */`,
    `export const ${name} = schedule(${literal(id)}, {`,
    ...fields.map(([key, value]) => `  ${key}: ${literal(value)},`),
    `  job: ${job},`,
    ...(input === undefined ? [] : [`  input: ${literal(input)},`]),
    '})',
  ].join('\n')
}

/** A value as JavaScript; keys that need no quotes have none. */
function literal(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, item]) => `${isName(key) ? key : quoted(key)}: ${literal(item)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

function quoted(text: string): string {
  const json = JSON.stringify(text)
  return text.includes("'") ? json : `'${json.slice(1, -1).replaceAll('\\"', '"')}'`
}

function isName(key: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(key) && key !== '__proto__'
}

/** Text of others in a comment must not end it. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('*/', '* /')
}

const reserved = new Set(
  'break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null return super switch this throw true try typeof var void while with yield let static await async job schedule jobs schedules execFile promisify'.split(
    ' ',
  ),
)

/** Names for constants, each given once. */
class Names {
  readonly #taken = new Set<string>()

  free(text: string, suffix: string): string {
    const words = text
      .normalize('NFKD')
      .split(/[^A-Za-z0-9]+/)
      .filter((word) => word !== '')
    const camel = words
      .map((word, index) => (index === 0 ? word.charAt(0).toLowerCase() : word.charAt(0).toUpperCase()) + word.slice(1))
      .join('')
    const start = /^[a-z]/.test(camel) ? camel : `the${camel}`
    for (let n = 1; ; n++) {
      const candidate =
        (reserved.has(start) || this.#taken.has(start) || n > 1 ? `${start}${suffix}` : start) + (n > 1 ? n : '')
      if (reserved.has(candidate) || this.#taken.has(candidate)) continue
      this.#taken.add(candidate)
      return candidate
    }
  }
}

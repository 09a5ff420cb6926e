import type { TimetableSpec } from '../../core/calendar/spec.ts'
import { Findings, type Imported, type ImportOptions } from './imported.ts'
import { type Facts, factsAt, isFacts, objectsIn, parseJson, parsed, textAt } from './json.ts'
import { ianaZone } from './windows-zones.ts'

const catchUps: Readonly<Record<string, string>> = {
  relaxed: 'last',
  strict: 'all',
  ignorable: 'none',
  '0': 'last',
  '1': 'all',
  '2': 'none',
}

/**
 * Reads recurring jobs of Hangfire: a list of them as its API has them, the hashes `recurring-job:…` by their key, or rows of
 * its table `Hash` with `Key`, `Field` and `Value`.
 */
export function importHangfire(text: string, { timezone }: ImportOptions = {}): Imported {
  const found = new Findings()
  for (const [index, facts] of recurringJobs(parseJson(text)).entries()) {
    const id = textAt(facts, 'Id', 'id') ?? `job-${index + 1}`
    addJob(id, facts, timezone, found)
  }
  if (found.schedules.length > 0)
    found.note(
      'the file',
      'changed',
      'Hangfire tries a failed job 10 times by default, as Legwork does; a filter in your code may say otherwise.',
    )
  return found
}

function recurringJobs(value: unknown): Facts[] {
  const rows = objectsIn(value, 'RecurringJobs', 'recurringJobs', 'recurring-jobs')
  if (rows.every((row) => 'Field' in row && 'Key' in row)) {
    const byKey = new Map<string, Record<string, unknown>>()
    for (const row of rows) {
      const key = String(row['Key'])
      byKey.set(key, { Id: idOf(key), ...byKey.get(key), [String(row['Field'])]: row['Value'] })
    }
    return [...byKey.values()]
  }
  const [hashes] = rows
  const isByKey = hashes && textAt(hashes, 'Cron', 'cron') === undefined && rows.length === 1
  return isByKey
    ? Object.entries(hashes).flatMap(([key, hash]) => (isFacts(hash) ? [{ Id: idOf(key), ...hash }] : []))
    : rows
}

function idOf(key: string): string {
  return key.replace(/^.*recurring-job:/, '')
}

function addJob(id: string, facts: Facts, fallback: string | undefined, found: Findings): void {
  const where = `recurring job ${id}`
  const cron = textAt(facts, 'Cron', 'cron')
  if (cron === undefined) return found.note(where, 'left out', 'It has no Cron.')
  const zone = textAt(facts, 'TimeZoneId', 'timeZoneId', 'TimeZone')
  const timezone = zone === undefined ? fallback : ianaZone(zone)
  if (zone !== undefined && timezone === undefined)
    return found.note(where, 'left out', `Its time zone ${JSON.stringify(zone)} is not known.`)
  const { name, input } = callOf(parsed(facts['Job'] ?? facts['job']), id)
  const queue = textAt(facts, 'Queue', 'queue')
  const misfire = (textAt(facts, 'Misfire', 'MisfireHandling', 'misfire') ?? 'relaxed').toLowerCase()
  found.add({
    id,
    spec: { ...cronosSpec(cron), ...(timezone !== undefined && { timezone }) },
    options: {
      overlap: 'allow',
      catchUp: catchUps[misfire] ?? 'last',
      ...(queue !== undefined && queue !== 'default' && { queue }),
    },
    job: { name, kind: 'unwritten' },
    ...(input !== undefined && { input }),
    where,
  })
}

/** The method that is called, and its arguments: as hashes hold it, long or short, or as the API has it. */
function callOf(job: unknown, id: string): { name: string; input?: unknown } {
  if (!isFacts(job)) return { name: id }
  const type = textAt(job, 'Type', 't') ?? textAt(factsAt(job, 'Type') ?? {}, 'FullName', 'Name')
  const method = textAt(job, 'Method', 'm') ?? textAt(factsAt(job, 'Method') ?? {}, 'Name')
  const list = parsed(job['Arguments'] ?? job['a'] ?? job['Args'])
  const values = Array.isArray(list) ? list.map(parsed) : []
  const name = [type?.replace(/,.*$/, ''), method].filter((part) => part !== undefined).join('.')
  return { name: name === '' ? id : name, ...(values.length > 0 && { input: { arguments: values } }) }
}

/** The cron of Cronos: 5 or 6 fields with the second first, both days must fit, ranges go round, and L, W and #. */
export function cronosSpec(cron: string): TimetableSpec {
  const fields = cron.trim().replaceAll('?', '*').split(/\s+/)
  const [second = '0', minute = '', hour = '', day = '', month = '', weekday = ''] =
    fields.length === 6 ? fields : ['0', ...fields]
  if (fields.length !== 5 && fields.length !== 6) return { cron: macros[cron.trim().toLowerCase()] ?? cron.trim() }
  const isBoth = day !== '*' && weekday !== '*'
  const isOurs = !isBoth && fields.every((field) => !isForeign(field))
  if (isOurs) return fields.length === 6 ? { cron: fields.join(' '), dialect: 'seconds' } : { cron: fields.join(' ') }
  const all = { second, minute, hour, day, month, weekday }
  return { calendar: Object.fromEntries(Object.entries(all).filter(([name, field]) => field !== '*' || isTime(name))) }
}

const macros: Readonly<Record<string, string>> = { '@every_minute': '* * * * *', '@every_second': '@every 1s' }

function isTime(name: string): boolean {
  return ['second', 'minute', 'hour'].includes(name)
}

/** Signs that Vixie cron does not have, ranges that go round, and steps from one value on. */
function isForeign(field: string): boolean {
  const [, low, high] = /(\d+)-(\d+)/.exec(field) ?? []
  return (
    /[#LW]/.test(field.replaceAll(/JUL|WED/gi, '')) ||
    /[a-z]+-[a-z]+/i.test(field) ||
    /(?:^|,)\d+\//.test(field) ||
    Number(low) > Number(high)
  )
}

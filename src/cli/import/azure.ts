import type { TimetableSpec } from '../../core/calendar/spec.ts'
import { Findings, type Imported } from './imported.ts'
import { type Facts, factsAt, isoDuration, numberAt, objectsIn, parseJson, parsed, textAt } from './json.ts'

const frequencies: Readonly<Record<string, { rule: string; every?: number }>> = {
  second: { rule: 'SECONDLY', every: 1_000 },
  minute: { rule: 'MINUTELY', every: 60_000 },
  hour: { rule: 'HOURLY', every: 3_600_000 },
  day: { rule: 'DAILY' },
  week: { rule: 'WEEKLY' },
  month: { rule: 'MONTHLY' },
  year: { rule: 'YEARLY' },
}

/** Reads jobs of Azure Scheduler as its REST API has them: one, a list, or `{ value: […] }`. */
export function importAzure(text: string): Imported {
  const found = new Findings()
  for (const [index, facts] of objectsIn(parseJson(text), 'value', 'jobs').entries()) {
    const id = (textAt(facts, 'name', 'id') ?? `job-${index + 1}`).split('/').at(-1) ?? ''
    addJob(id, factsAt(facts, 'properties') ?? facts, found)
  }
  return found
}

function addJob(id: string, facts: Facts, found: Findings): void {
  const where = `job ${id}`
  const action = factsAt(facts, 'action') ?? {}
  const spec = specOf(facts, where, found)
  if (!spec) return
  const call = callOf(action, id)
  const count = numberAt(factsAt(facts, 'recurrence') ?? {}, 'count')
  if (action['errorAction'] !== undefined)
    found.note(where, 'lost', 'Its errorAction; a job that fails for good is a dead letter.')
  if (factsAt(factsAt(action, 'request') ?? {}, 'authentication'))
    found.note(where, 'lost', 'The credentials of its request are not carried over.')
  found.add({
    id,
    spec,
    options: { catchUp: 'last', ...(count !== undefined && { maxRuns: count }), ...retryOf(action) },
    ...call,
    isOff: textAt(facts, 'state')?.toLowerCase() === 'disabled',
    where,
  })
}

function specOf(facts: Facts, where: string, found: Findings): TimetableSpec | undefined {
  const start = Date.parse(textAt(facts, 'startTime') ?? '')
  const recurrence = factsAt(facts, 'recurrence')
  if (!recurrence) {
    if (!Number.isNaN(start)) return { at: new Date(start).toISOString() }
    return found.note(where, 'left out', 'It ran once, when it was made.')
  }
  const frequency = frequencies[textAt(recurrence, 'frequency')?.toLowerCase() ?? '']
  if (!frequency)
    return found.note(where, 'left out', `Its frequency ${JSON.stringify(recurrence['frequency'])} is not known.`)
  if (Number.isNaN(start))
    found.note(
      where,
      'changed',
      'It has no startTime and counted from when it was made; now it counts from 1 January 1970.',
    )
  const interval = numberAt(recurrence, 'interval') ?? 1
  const from = Number.isNaN(start) ? 0 : start
  const schedule = factsAt(recurrence, 'schedule') ?? {}
  const bounds = {
    ...(from > 0 && { startAt: new Date(from).toISOString() }),
    ...endOf(recurrence),
  }
  const rules = rulesOf(schedule)
  if (frequency.every !== undefined && rules.length === 0) {
    const every = frequency.every * interval
    return { every, ...(from % every > 0 && { phase: from % every }), ...bounds }
  }
  const text = [`FREQ=${frequency.rule}`, ...(interval === 1 ? [] : [`INTERVAL=${interval}`]), ...rules].join(';')
  return { rrule: `DTSTART:${compact(from)}\nRRULE:${text}`, ...bounds }
}

function endOf(recurrence: Facts): { endAt?: string } {
  const end = Date.parse(textAt(recurrence, 'endTime') ?? '')
  // Our end is not included, and theirs is.
  return Number.isNaN(end) ? {} : { endAt: new Date(end + 1_000).toISOString() }
}

function rulesOf(schedule: Facts): string[] {
  const list = (...keys: string[]) =>
    keys.map((key) => schedule[key]).find((value) => Array.isArray(value)) as unknown[] | undefined
  const numbers = (name: string, key: string) => (list(key)?.length ? [`${name}=${list(key)?.join(',')}`] : [])
  const weekdays = (list('weekDays', 'days') ?? []).map(weekday)
  const occurrences = (list('monthlyOccurrences') ?? []).map((each) => {
    const { day, occurrence } = each as Facts
    return `${typeof occurrence === 'number' ? occurrence : ''}${weekday(day)}`
  })
  const days = [...weekdays, ...occurrences]
  return [
    ...numbers('BYMONTH', 'months'),
    ...numbers('BYMONTHDAY', 'monthDays'),
    ...(days.length > 0 ? [`BYDAY=${days.join(',')}`] : []),
    ...numbers('BYHOUR', 'hours'),
    ...numbers('BYMINUTE', 'minutes'),
  ]
}

function weekday(name: unknown): string {
  return String(name).slice(0, 2).toUpperCase()
}

function compact(time: number): string {
  return new Date(time).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

function callOf(action: Facts, id: string): { job: { name: string; kind: 'http' | 'unwritten' }; input?: unknown } {
  const request = factsAt(action, 'request')
  if (!request) {
    const message = factsAt(action, 'queueMessage', 'serviceBusQueueMessage', 'serviceBusTopicMessage')
    const input = message && parsed(message['message'])
    return { job: { name: id, kind: 'unwritten' }, ...(input !== undefined && { input }) }
  }
  const { uri: url, method = 'GET', headers, body } = request
  return {
    job: { name: 'http', kind: 'http' },
    input: { url, method, ...(headers !== undefined && { headers }), ...(body !== undefined && { body }) },
  }
}

function retryOf(action: Facts): { retry?: unknown } {
  const policy = factsAt(action, 'retryPolicy')
  if (!policy) return {}
  if (textAt(policy, 'retryType')?.toLowerCase() === 'none') return { retry: false }
  const first = isoDuration(textAt(policy, 'retryInterval') ?? 'PT30S')
  return {
    retry: {
      attempts: (numberAt(policy, 'retryCount') ?? 4) + 1,
      backoff: 'fixed',
      ...(first !== undefined && { first }),
    },
  }
}

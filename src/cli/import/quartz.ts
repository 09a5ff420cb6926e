import type { TimetableSpec } from '../../core/calendar/spec.ts'
import { Findings, type Imported, type ImportOptions } from './imported.ts'
import { type Facts, factsAt, isFacts, numberAt, objectsIn, parseJson, textAt } from './json.ts'
import { readXml } from './quartz-xml.ts'
import { ianaZone } from './windows-zones.ts'

/**
 * Reads jobs and triggers of Quartz and Quartz.NET: the XML of their scheduling plugin, or JSON with the same names, such as
 * rows of the tables QRTZ_TRIGGERS and QRTZ_CRON_TRIGGERS put together.
 */
export async function importQuartz(text: string, { timezone }: ImportOptions = {}): Promise<Imported> {
  const found = new Findings()
  const tree = text.trimStart().startsWith('<') ? await readXml(text) : simplified(parseJson(text))
  const jobs = new Map(collect(tree, 'job').map((job) => [keyOf(job), job]))
  const triggers = ['trigger', 'crontrigger', 'simpletrigger'].flatMap((name) => collect(tree, name))
  for (const trigger of triggers) addTrigger(trigger, jobs, timezone, found)
  if (found.schedules.some(({ spec }) => spec.cron !== undefined && spec.timezone === undefined))
    found.note(
      'the file',
      'changed',
      'Cron triggers without a time zone were on the clock of their machine; they are in UTC now. Give --timezone.',
    )
  if (found.schedules.length > 0)
    found.note(
      'the file',
      'changed',
      'Runs may overlap, as in Quartz; where a class has @DisallowConcurrentExecution, leave overlap out.',
    )
  return found
}

/** Names without case, hyphens and underscores, so that all spellings are one: `job-name`, `jobName`, `JOB_NAME`. */
function simplified(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplified)
  if (!isFacts(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key.replaceAll(/[-_]/g, '').toLowerCase(),
      /^(job_?-?data_?-?(map)?)$/i.test(key) ? item : simplified(item),
    ]),
  )
}

/** All objects that stand under a name or its plural, at any depth. */
function collect(tree: unknown, name: string): Facts[] {
  if (Array.isArray(tree)) return tree.flatMap((item) => collect(item, name))
  if (!isFacts(tree)) return []
  return Object.entries(tree).flatMap(([key, value]) =>
    key === name || key === `${name}s` ? objectsIn(value) : collect(value, name),
  )
}

function keyOf(job: Facts): string {
  return `${textAt(job, 'group', 'jobgroup') ?? 'DEFAULT'} ${textAt(job, 'name', 'jobname') ?? ''}`
}

function addTrigger(
  outer: Facts,
  jobs: ReadonlyMap<string, Facts>,
  fallback: string | undefined,
  found: Findings,
): void {
  // In XML the kind is an element around the rest; in JSON it may be anything.
  const kind = ['cron', 'simple', 'calendarinterval'].find((name) => isFacts(outer[name]))
  const trigger = kind === undefined ? outer : { ...outer, ...(outer[kind] as Facts) }
  const name = textAt(trigger, 'name', 'triggername') ?? textAt(trigger, 'jobname') ?? 'trigger'
  const group = textAt(trigger, 'group', 'triggergroup')
  const where = [textAt(trigger, 'line'), `trigger ${name}`].filter((part) => part !== undefined).join(', ')
  const jobName = textAt(trigger, 'jobname') ?? name
  const job = jobs.get(`${textAt(trigger, 'jobgroup') ?? 'DEFAULT'} ${jobName}`)
  const zone = textAt(trigger, 'timezone', 'timezoneid')
  const timezone = zone === undefined ? fallback : ianaZone(zone)
  if (zone !== undefined && timezone === undefined)
    return found.note(where, 'left out', `Its time zone ${JSON.stringify(zone)} is not known.`)
  const spec = ruleOf(trigger, where, found)
  if (!spec) return
  const calendar = textAt(trigger, 'calendarname')
  if (calendar !== undefined) found.note(where, 'changed', `Give the calendar ${calendar} to legwork({ calendars }).`)
  notePriority(trigger, where, found)
  const input = { ...dataOf(job), ...dataOf(trigger) }
  found.add({
    id: group === undefined || group === 'DEFAULT' ? name : `${group}.${name}`,
    spec: {
      ...spec,
      ...(timezone !== undefined && { timezone }),
      ...(calendar !== undefined && { exclude: calendar }),
    },
    options: { overlap: 'allow', catchUp: catchUpOf(trigger), retry: false, ...maxRunsOf(trigger) },
    job: {
      name: textAt(job ?? {}, 'jobtype', 'jobclass', 'jobclassname')?.replace(/,.*$/, '') ?? jobName,
      kind: 'unwritten',
    },
    ...(Object.keys(input).length > 0 && { input }),
    where,
  })
}

function notePriority(trigger: Facts, where: string, found: Findings): void {
  const priority = numberAt(trigger, 'priority')
  if (priority !== undefined && priority !== 5)
    found.note(where, 'lost', `Its priority ${priority} decided between triggers of one instant.`)
}

function ruleOf(trigger: Facts, where: string, found: Findings): TimetableSpec | undefined {
  const start = timeAt(trigger, 'starttime')
  const end = timeAt(trigger, 'endtime')
  const bounds = {
    ...(start !== undefined && { startAt: new Date(start).toISOString() }),
    ...(end !== undefined && { endAt: new Date(end).toISOString() }),
  }
  if (trigger['starttimesecondsinfuture'] !== undefined)
    found.note(where, 'lost', 'It began some seconds after the scheduler had started.')
  const cron = textAt(trigger, 'cronexpression', 'cron', 'cronschedule')
  if (cron !== undefined) return { cron, dialect: 'quartz', ...bounds }
  const every = intervalOf(trigger)
  if (every === undefined && numberAt(trigger, 'repeatcount') === undefined && start !== undefined)
    return { at: new Date(start).toISOString() }
  if (numberAt(trigger, 'repeatcount') === 0) {
    if (start !== undefined) return { at: new Date(start).toISOString() }
    return found.note(where, 'left out', 'It ran once, when the scheduler had started.')
  }
  if (every === undefined) return found.note(where, 'left out', 'It has no cron-expression and no repeat-interval.')
  if (start === undefined)
    found.note(where, 'changed', 'It counted from the start of the scheduler; now it counts from 1 January 1970.')
  if (typeof every === 'string')
    return {
      rrule: `DTSTART:${new Date(start ?? 0).toISOString().replaceAll(/[-:]|\.\d+/g, '')}\nRRULE:${every}`,
      ...bounds,
    }
  return { every, ...((start ?? 0) % every > 0 && { phase: (start ?? 0) % every }), ...bounds }
}

const units: Readonly<Record<string, number | string>> = {
  MILLISECOND: 1,
  SECOND: 1_000,
  MINUTE: 60_000,
  HOUR: 3_600_000,
  DAY: 'DAILY',
  WEEK: 'WEEKLY',
  MONTH: 'MONTHLY',
  YEAR: 'YEARLY',
}

/** Milliseconds, or an RRULE where the length depends on the calendar. */
function intervalOf(trigger: Facts): number | string | undefined {
  const interval = numberAt(trigger, 'repeatinterval')
  if (interval === undefined || interval <= 0) return undefined
  const unit = units[(textAt(trigger, 'repeatintervalunit') ?? 'MILLISECOND').toUpperCase()] ?? 1
  return typeof unit === 'number' ? unit * interval : `FREQ=${unit}${interval === 1 ? '' : `;INTERVAL=${interval}`}`
}

function maxRunsOf(trigger: Facts): { maxRuns?: number } {
  const count = numberAt(trigger, 'repeatcount')
  return count === undefined || count < 1 ? {} : { maxRuns: count + 1 }
}

function catchUpOf(trigger: Facts): string {
  const misfire = (textAt(trigger, 'misfireinstruction', 'misfireinstr') ?? 'SMART_POLICY').toUpperCase()
  if (/IGNORE|^-1$/.test(misfire)) return 'all'
  return /DO_?NOTHING|NEXT/.test(misfire) || (misfire === '2' && trigger['cronexpression'] !== undefined)
    ? 'none'
    : 'last'
}

/** A map of data, or the entries of the XML. */
function dataOf(facts: Facts | undefined): Facts {
  const map = facts && factsAt(facts, 'jobdatamap', 'jobdata')
  if (!map) return {}
  const entries = objectsIn(map['entry'] ?? [])
  if (entries.length === 0) return map
  return Object.fromEntries(entries.map((entry) => [textAt(entry, 'key') ?? '', textAt(entry, 'value') ?? '']))
}

/** Milliseconds since the epoch, in the tables of Quartz, or text. */
function timeAt(trigger: Facts, key: string): number | undefined {
  const text = textAt(trigger, key)
  if (text === undefined || text === '0') return undefined
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(time) ? undefined : time
}

import { Findings, type Imported } from './imported.ts'
import { type Facts, factsAt, numberAt, objectsIn, parseJson, parsed, textAt } from './json.ts'

/**
 * Reads what the aws CLI prints: rules (`aws events list-rules`), with their targets if they were put in as `Targets`, or
 * schedules (`aws scheduler list-schedules`, `get-schedule`).
 */
export function importEventBridge(text: string): Imported {
  const found = new Findings()
  for (const [index, facts] of objectsIn(parseJson(text), 'Rules', 'Schedules').entries()) {
    const name = textAt(facts, 'Name') ?? `schedule-${index + 1}`
    addSchedule(name, facts, found)
  }
  return found
}

function addSchedule(name: string, facts: Facts, found: Findings): void {
  const where = `${textAt(facts, 'EventBusName') === undefined ? 'schedule' : 'rule'} ${name}`
  const cron = textAt(facts, 'ScheduleExpression')
  if (cron === undefined) {
    const reason =
      facts['EventPattern'] === undefined ? 'It has no ScheduleExpression.' : 'It waits for events and not for times.'
    return found.note(where, 'left out', reason)
  }
  // Without one it is in UTC, wherever it ran.
  const timezone = textAt(facts, 'ScheduleExpressionTimezone')
  const group = textAt(facts, 'GroupName')
  const targets = factsAt(facts, 'Target') ? [facts['Target'] as Facts] : objectsIn(facts['Targets'] ?? [])
  if (cron.startsWith('rate'))
    found.note(
      where,
      'changed',
      'A rate counted from when it was made; now it counts from midnight UTC on 1 January 1970.',
    )
  if (targets.length === 0) found.note(where, 'lost', 'Its target is not in the file, so it has a job of its own name.')
  for (const target of targets.length > 0 ? targets : [{}]) {
    const input = parsed(target['Input'])
    if (target['InputPath'] !== undefined || target['InputTransformer'] !== undefined)
      found.note(where, 'lost', 'The input of its target was made from the event.')
    found.add({
      id: group === undefined || group === 'default' ? name : `${group}/${name}`,
      spec: {
        cron,
        dialect: 'eventbridge',
        ...(timezone !== undefined && { timezone, dst: { gap: 'skip' as const } }),
        ...spanOf(facts),
      },
      options: { overlap: 'allow', catchUp: 'none', ...optionsOf(facts, target) },
      job: { name: targetName(target) ?? name, kind: 'unwritten' },
      ...(input !== undefined && { input }),
      isOff: textAt(facts, 'State')?.startsWith('DISABLED') === true,
      where,
    })
  }
}

function spanOf(facts: Facts): { startAt?: string; endAt?: string } {
  const instant = (key: string) => {
    const seconds = Number(facts[key])
    const text = textAt(facts, key)
    if (text === undefined) return undefined
    const time = Number.isNaN(seconds) ? Date.parse(text) : seconds * 1_000
    return Number.isNaN(time) ? undefined : new Date(time).toISOString()
  }
  const [startAt, endAt] = [instant('StartDate'), instant('EndDate')]
  return { ...(startAt !== undefined && { startAt }), ...(endAt !== undefined && { endAt }) }
}

function optionsOf(facts: Facts, target: Facts): Record<string, unknown> {
  const window = factsAt(facts, 'FlexibleTimeWindow')
  const minutes = window && window['Mode'] === 'FLEXIBLE' ? numberAt(window, 'MaximumWindowInMinutes') : undefined
  const retry = factsAt(target, 'RetryPolicy') ?? {}
  const age = numberAt(retry, 'MaximumEventAgeInSeconds')
  const attempts = numberAt(retry, 'MaximumRetryAttempts')
  return {
    ...(minutes !== undefined && { window: `${minutes}m` }),
    ...(age !== undefined && { startDeadline: `${age}s` }),
    ...(attempts !== undefined && { retry: attempts + 1 }),
  }
}

/** The last part of an ARN: `function:thumbnails`, `queue-name`. */
function targetName(target: Facts): string | undefined {
  return textAt(target, 'Arn')?.split(/[:/]/).at(-1)
}

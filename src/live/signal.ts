import { encode } from '../core/codec.ts'
import type { AnyJob } from '../core/definition.ts'
import { LegworkError, optionError } from '../core/errors.ts'
import type { TokenUse } from '../store/queries/signals.ts'
import type { Store } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { notFound } from './results.ts'

interface SignalParts {
  readonly store: Store
  readonly hub: Hub
}

/** Refuses a topic that the definition does not name, if it names any. */
export function checkTopic(definition: AnyJob | undefined, topic: string): void {
  const known = Object.keys(definition?.signals ?? {})
  if (known.length > 0 && !known.includes(topic)) throw optionError('topic', `one of ${known.join(', ')}`, topic)
}

/** Sends a signal to a job; with `use` only if that was not used before. */
export async function sendSignal(
  { store, hub }: SignalParts,
  id: string,
  definition: AnyJob | undefined,
  topic: string,
  data: unknown,
  use?: TokenUse,
): Promise<void> {
  checkTopic(definition, topic)
  const label = `Signal ${JSON.stringify(topic)} for job ${id}`
  const json = await encode(definition?.signals[topic], data, { code: 'LW_INPUT_INVALID', label })
  const woken = await (use ? store.sendSignalOnce(id, topic, json, use) : store.sendSignal(id, topic, json))
  if (woken === 'used')
    throw new LegworkError('LW_TOKEN_USED', `The token for ${JSON.stringify(topic)} of job ${id} was used before.`, {
      hint: 'What was sent the first time counts.',
      details: { job: id, topic },
    })
  if (woken) return hub.tell({ woken: [...woken], changed: [id] })
  const job = await store.find(id)
  if (!job) throw notFound(id)
  throw new LegworkError('LW_JOB_STATE', `Job ${id} (${job.name}) takes no signals: it is ${job.state}.`)
}

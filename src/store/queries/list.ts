import { toJson } from '../../core/codec.ts'
import { LegworkError, optionError, show } from '../../core/errors.ts'
import { comesAfterCode, type State, stateCode, states } from '../../core/states.ts'
import { nearest } from '../../core/suggest.ts'
import type { Queryable } from '../connection.ts'
import { jobColumns, type JobRecord, recordOf } from './find.ts'

/** Which jobs: every given condition must hold. */
export interface JobFilter {
  readonly state?: State | readonly State[]
  readonly queue?: string | readonly string[]
  readonly name?: string | readonly string[]
  /** Jobs that have all these tags. */
  readonly tag?: string | readonly string[]
  readonly key?: string
  /** The unique text. */
  readonly unique?: string
  /** Jobs whose input contains this JSON, e.g. `{ user: { id: 42 } }`. */
  readonly input?: unknown
  readonly createdAfter?: Date
  readonly createdBefore?: Date
}

export interface ListOptions extends JobFilter {
  /** 1 to 1000. Default 50. */
  readonly limit?: number
  /** `next` of the previous page. */
  readonly after?: string
  /** Default `'newest'`. */
  readonly order?: 'newest' | 'oldest'
}

export interface JobPage {
  readonly jobs: readonly JobRecord[]
  /** Pass it as `after` for the next page; undefined on the last one. */
  readonly next: string | undefined
}

/**
 * One page of jobs in the order of their ids, from both tables. Each table gives its own first `limit` rows through
 * its primary key, per slot; only those few are sorted together, however many jobs there are. See `isSelective`.
 */
export async function list(on: Queryable, slots: readonly number[], options: ListOptions): Promise<JobPage> {
  const limit = options.limit ?? 50
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw optionError('limit', 'a whole number from 1 to 1000', limit)
  const order = options.order ?? 'newest'
  if (order !== 'newest' && order !== 'oldest') throw optionError('order', "'newest' or 'oldest'", order)
  const query = new FilterText(options)
  const direction = order === 'newest' ? 'desc' : 'asc'
  if (options.after !== undefined)
    query.where(`id ${order === 'newest' ? '<' : '>'} ${query.param(cursorOf(options.after), 'bigint')}`)
  const ids = slots.flatMap((slot) =>
    query.arms(slot).map((arm) => `(${arm} order by id ${direction} limit ${limit + 1})`),
  )
  if (ids.length === 0) return { jobs: [], next: undefined }
  const text = `select ${jobColumns} from (select id as wanted, slot as in_slot from (${ids.join(' union all ')}) a order by id ${direction} limit ${limit + 1}) w
    join lateral (select * from legwork.jobs where slot = w.in_slot and id = w.wanted offset 0) j on true order by wanted ${direction}`
  const rows = await on.query({ name: '', text, repeatable: true }, query.params)
  const jobs = rows.slice(0, limit).map(recordOf)
  return { jobs, next: rows.length > limit ? jobs.at(-1)?.id : undefined }
}

/** How many jobs fit. */
export async function countJobs(on: Queryable, slots: readonly number[], filter: JobFilter): Promise<number> {
  const query = new FilterText(filter)
  const arms = slots.flatMap((slot) => query.arms(slot))
  if (arms.length === 0) return 0
  const text = `select count(*)::int as n from (${arms.join(' union all ')}) a`
  const [row] = await on.query<{ n: number }>({ name: '', text, repeatable: true }, query.params)
  return row?.n ?? 0
}

/** Whether a partial index may find the jobs better than walking the table in order does. */
export function isSelective({ tag, key, unique, state }: JobFilter): boolean {
  const indexed: readonly State[] = ['scheduled', 'blocked', 'waiting']
  return (
    tag !== undefined ||
    key !== undefined ||
    unique !== undefined ||
    (state !== undefined && stateList(state).every((one) => indexed.includes(one)))
  )
}

/** The conditions of a filter as SQL over the two tables. */
class FilterText {
  readonly params: unknown[] = []
  readonly #conditions: string[] = []
  readonly #states: readonly State[]

  constructor(filter: JobFilter) {
    checkNames(filter)
    this.#states = filter.state === undefined ? states : stateList(filter.state)
    if (filter.queue !== undefined) {
      this.where(
        `queue_id = any(array(select id from legwork.queue where name = any(${this.param(textsOf(filter.queue, 'queue'), 'text[]')})))`,
      )
    }
    if (filter.name !== undefined) this.where(`name = any(${this.param(textsOf(filter.name, 'name'), 'text[]')})`)
    if (filter.tag !== undefined) this.where(`tags @> ${this.param(textsOf(filter.tag, 'tag'), 'text[]')}`)
    if (filter.key !== undefined) this.where(`key = ${this.param(textsOf(filter.key, 'key')[0], 'text')}`)
    if (filter.unique !== undefined)
      this.where(`unique_key = ${this.param(textsOf(filter.unique, 'unique')[0], 'text')}`)
    if (filter.input !== undefined)
      this.where(`input @> ${this.param(toJson(filter.input, 'The filter input'), 'jsonb')}`)
    if (filter.createdAfter !== undefined)
      this.where(`created_at >= ${this.param(instantOf(filter.createdAfter, 'createdAfter'), 'timestamptz')}`)
    if (filter.createdBefore !== undefined)
      this.where(`created_at < ${this.param(instantOf(filter.createdBefore, 'createdBefore'), 'timestamptz')}`)
  }

  param(value: unknown, type: string): string {
    this.params.push(value)
    return `$${this.params.length}::${type}`
  }

  where(condition: string): void {
    this.#conditions.push(condition)
  }

  /** The ids of one slot from each table that can hold one of the states. */
  arms(slot: number): string[] {
    const rest = this.#conditions.map((condition) => ` and ${condition}`).join('')
    const live = this.#live()
    const final = this.#states.filter((state) => stateCode[state] >= 10).map((state) => stateCode[state])
    return [
      ...(live ? [`select id, slot from legwork.job where slot = ${slot} and (${live})${rest}`] : []),
      ...(final.length > 0
        ? [`select id, slot from legwork.finished where slot = ${slot} and state in (${final.join(', ')})${rest}`]
        : []),
    ]
  }

  #live(): string {
    const wanted = this.#states.filter((state) => stateCode[state] < 10)
    if (wanted.length === 6) return 'true'
    return wanted
      .map((state) => {
        if (state === 'running') return `(state = 3 and worker_id is not null and id = any(${leased}))`
        if (state === 'ready') return '(state = 3 and worker_id is null)'
        if (state === 'blocked') return `state in (${stateCode.blocked}, ${comesAfterCode})`
        return `state = ${stateCode[state]}`
      })
      .join(' or ')
  }
}

/** A running job is in a lease: without it every ready row would have to be read. */
const leased = 'array(select unnest(ids) from legwork.lease)'

function stateList(given: State | readonly State[]): readonly State[] {
  const wanted = typeof given === 'string' ? [given] : given
  const unknown = wanted.find((state) => !states.includes(state))
  if (unknown !== undefined) throw optionError('state', `one of ${states.join(', ')}`, unknown)
  return wanted
}

function textsOf(value: string | readonly string[], option: string): readonly string[] {
  const texts = typeof value === 'string' ? [value] : value
  const good = Array.isArray(texts) && texts.every((text) => typeof text === 'string' && !text.includes('\0'))
  if (!good) throw optionError(option, 'text or a texts of texts', value)
  return texts
}

function instantOf(value: Date, option: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw optionError(option, 'a valid Date', value)
  return value
}

const known = [
  'state',
  'queue',
  'name',
  'tag',
  'key',
  'unique',
  'input',
  'createdAfter',
  'createdBefore',
  'limit',
  'after',
  'order',
]

/** A filter with a slip in its name would fit every job: too much to cancel by mistake. */
function checkNames(filter: JobFilter): void {
  const unknown = Object.keys(filter).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const guess = nearest(unknown, known)
  throw new LegworkError('LW_OPTION_INVALID', `There is no filter ${show(unknown)}.`, {
    hint: guess === undefined ? `Known: ${known.join(', ')}.` : `Did you mean ${show(guess)}?`,
  })
}

function cursorOf(after: string): string {
  if (!/^\d{1,19}$/.test(after) || BigInt(after) >= 2n ** 63n)
    throw new LegworkError('LW_OPTION_INVALID', `Option after is not a cursor of this list: ${show(after)}.`)
  return after
}

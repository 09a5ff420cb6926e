import { Client } from 'pg'
import {
  type Connection,
  planSettings,
  type Queryable,
  type Row,
  type Statement,
} from '../../../src/store/connection.ts'

export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly PlanNode[]
}

/** One statement as it was run: its plan with what each part of it has touched. */
export interface Explained {
  readonly name: string
  readonly nodes: readonly PlanNode[]
  readonly buffers: number
  /** How many rows of each table it has read, also those it threw away, and also inside of functions. */
  readonly read: ReadonlyMap<string, number>
}

/**
 * A connection as the engine's, on one session, that explains every statement with its generic plan before it runs it.
 * The explaining run is rolled back.
 */
export class ExplainingConnection implements Connection {
  readonly kind = 'postgres'
  readonly traits = { exclusive: false, vacuums: true } as const
  /** Statements explained so far. */
  count = 0
  readonly #explained: Explained[] = []
  readonly #client: Client
  #open = false

  private constructor(client: Client) {
    this.#client = client
  }

  static async connect(url: string): Promise<ExplainingConnection> {
    const client = new Client(url)
    await client.connect()
    await client.query(`set plan_cache_mode = force_generic_plan; ${planSettings}`)
    return new ExplainingConnection(client)
  }

  async query<R extends Row>(statement: Statement, params: readonly unknown[]): Promise<R[]> {
    this.count++
    this.#explained.push(await this.#explain(statement, params))
    return (await this.#client.query<R>(statement.text, [...params])).rows
  }

  async script(text: string): Promise<void> {
    await this.#client.query(text)
  }

  async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    await this.#client.query('begin')
    this.#open = true
    try {
      return await work(this)
    } finally {
      this.#open = false
      await this.#client.query('commit')
    }
  }

  async notify(): Promise<void> {}

  listen(): void {}

  async close(): Promise<void> {
    await this.#client.end()
  }

  /** What has been explained since the last call. */
  take(): Explained[] {
    return this.#explained.splice(0)
  }

  async #explain({ name, text }: Statement, params: readonly unknown[]): Promise<Explained> {
    await this.#client.query(this.#open ? 'savepoint explaining' : 'begin')
    try {
      await this.#client.query(`prepare explained as ${text}`)
      const before = await this.#rowsRead()
      const values = params.length > 0 ? `(${params.map((param) => this.#literal(param)).join(', ')})` : ''
      const { rows } = await this.#client.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
        `explain (analyze, buffers, timing off, format json) execute explained ${values}`,
      )
      const plan = rows[0]!['QUERY PLAN'][0]!.Plan
      const after = await this.#rowsRead()
      const read = new Map([...after].map(([table, sum]) => [table, sum - (before.get(table) ?? 0)]))
      const buffers = (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
      return { name, nodes: flat(plan), buffers, read }
    } finally {
      await this.#client.query(this.#open ? 'rollback to savepoint explaining' : 'rollback')
      await this.#client.query('deallocate explained').catch(() => undefined)
    }
  }

  /** By table, in this transaction so far. */
  async #rowsRead(): Promise<Map<string, number>> {
    const { rows } = await this.#client.query<{ table: string; sum: string }>(
      `select relname as table, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as sum from pg_stat_xact_user_tables where schemaname = 'legwork'`,
    )
    return new Map(rows.map(({ table, sum }) => [table, Number(sum)]))
  }

  #literal(value: unknown): string {
    if (value === null || value === undefined) return 'null'
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    if (value instanceof Date) return this.#client.escapeLiteral(value.toISOString())
    if (Array.isArray(value)) return this.#client.escapeLiteral(`{${value.map(element).join(',')}}`)
    return this.#client.escapeLiteral(textOf(value))
  }
}

function element(value: unknown): string {
  return value === null ? 'NULL' : `"${textOf(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function flat(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flat)]
}

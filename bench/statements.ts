import { createRequire } from 'node:module'
import type pg from 'pg'

type Query = (this: unknown, config: unknown, ...rest: unknown[]) => unknown

/** Added to the name of a statement that brought no row. */
export const empty = ' (empty)'

const counts: Record<string, number> = {}
const patched = new WeakSet<object>()

/**
 * Counts the statements this process sends from now on, by name or by their first words, in every copy of the driver
 * that is loaded. Counted here and not by pg_stat_statements, which few servers have switched on.
 */
export function countStatements(): Readonly<Record<string, number>> {
  for (const name of Object.keys(counts)) delete counts[name]
  const { cache } = createRequire(import.meta.url)
  for (const [path, loaded] of Object.entries(cache)) {
    if (!/[\\/]pg[\\/]lib[\\/]client\.js$/.test(path)) continue
    const { prototype } = (loaded as NodeJS.Module).exports as { prototype: { query: Query } }
    if (patched.has(prototype)) continue
    patched.add(prototype)
    const { query } = prototype
    prototype.query = function counted(config, ...rest) {
      const name = nameOf(config)
      count(name)
      const answer = query.call(this, config, ...rest)
      if (answer instanceof Promise)
        answer.then(
          (result: pg.QueryResult) => isEmpty(result) && count(name + empty),
          () => undefined,
        )
      return answer
    }
  }
  return counts
}

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}

/** No row, or one that stands for none. Several statements in one text give a list of results. */
function isEmpty(result: pg.QueryResult<{ id?: unknown }> | pg.QueryResult[]): boolean {
  if (Array.isArray(result)) return false
  return result.rows.length === 0 || (result.rows.length === 1 && result.rows[0]?.id === null)
}

/** How many statements were sent; those that brought nothing are counted twice in `sent`. */
export function total(sent: Readonly<Record<string, number>>): number {
  return Object.entries(sent).reduce((sum, [name, times]) => (name.endsWith(empty) ? sum : sum + times), 0)
}

function nameOf(config: unknown): string {
  const { name, text } = (typeof config === 'object' ? config : { text: config }) as { name?: string; text?: string }
  return name ?? String(text).trim().slice(0, 40)
}

import { createRequire } from 'node:module'

type Query = (this: unknown, config: unknown, ...rest: unknown[]) => unknown

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
      counts[name] = (counts[name] ?? 0) + 1
      return query.call(this, config, ...rest)
    }
  }
  return counts
}

export function total(sent: Readonly<Record<string, number>>): number {
  return Object.values(sent).reduce((sum, count) => sum + count, 0)
}

function nameOf(config: unknown): string {
  const { name, text } = (typeof config === 'object' ? config : { text: config }) as { name?: string; text?: string }
  return name ?? String(text).trim().slice(0, 40)
}

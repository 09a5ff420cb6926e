import type { Instants } from './timetables.ts'

/**
 * When a nominal instant is due: later by up to `jitter` milliseconds, the same in every process, and before the next
 * instant is.
 */
export function dueAt(id: string, nominal: Date, jitter: number | undefined, table: Instants): Date {
  if (jitter === undefined) return nominal
  const most = roomAfter(nominal, jitter, table)
  return new Date(nominal.getTime() + Math.floor(share(`${id}@${nominal.getTime()}`) * most))
}

/** How many milliseconds an instant may be put off: `most`, or less so that the next one comes later all the same. */
export function roomAfter(nominal: Date, most: number, table: Instants): number {
  const next = table.next(nominal)
  return next ? Math.min(most, next.getTime() - nominal.getTime() - 1) : most
}

/** From 0 up to 1: FNV-1a over the text, its bits mixed once more because they differ little for texts that do. */
export function share(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

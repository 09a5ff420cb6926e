import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Peer } from '../peer.ts'
import { peer as bullmq } from './bullmq.ts'
import { peer as dbos } from './dbos.ts'
import { peer as graphileWorker } from './graphile-worker.ts'
import { embedded as embeddedLegwork, peer as legwork } from './legwork.ts'
import { embedded as embeddedLimit, peer as limit } from './limit.ts'
import { peer as openWorkflow } from './openworkflow.ts'
import { looping as pgBossFetch, peer as pgBoss } from './pg-boss.ts'

/** Every peer imports its package when it is opened, so the list is complete even if something is not installed. */
export const peers: ReadonlyMap<string, Peer> = new Map(
  [legwork, limit, graphileWorker, bullmq, pgBoss, pgBossFetch, dbos, openWorkflow, embeddedLegwork, embeddedLimit].map(
    (peer) => [peer.name, peer],
  ),
)

/** Ours, which are always there. */
export const own: readonly string[] = ['legwork', 'limit', 'legwork-pglite', 'limit-pglite']

/** The versions of the packages a peer needs, or the name of the first that is missing. */
export function versionsOf(peer: Peer): Record<string, string> | string {
  const versions: Record<string, string> = {}
  for (const name of peer.packages) {
    const version = versionOf(name)
    if (version === undefined) return name
    versions[name] = version
  }
  return versions
}

/** Read from the folder: not every package exports its package.json. */
function versionOf(name: string): string | undefined {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const file = folders.map((folder) => join(folder, name, 'package.json')).find((path) => existsSync(path))
  return file && (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

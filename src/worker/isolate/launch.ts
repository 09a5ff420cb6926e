import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { IsolatedCall } from './protocol.ts'

/** How to start a thread or process. Those with the same `key` can stand in for each other. */
export interface Launch {
  readonly mode: 'thread' | 'process'
  readonly key: string
  /** Cap of the JavaScript heap in megabytes. */
  readonly memoryMb: number | undefined
  /** Whether TypeScript sources have to be loaded that this Node cannot load by itself. */
  readonly typescript: boolean
  /** Where to look for a loader of TypeScript first. */
  readonly near: string
}

/** The file that runs on the isolated side: beside this one, in the sources as in the build. */
export const entryUrl = new URL(import.meta.url.endsWith('.ts') ? './entry.ts' : './entry.js', import.meta.url)

/** Decides how the thread or process of a call has to be started. */
export function launchOf(call: Pick<IsolatedCall, 'mode' | 'module' | 'memory'>): Launch {
  const memoryMb = call.memory === undefined ? undefined : Math.max(1, Math.ceil(call.memory / 2 ** 20))
  const typescript = !nodeLoadsTypeScript() && (isTypeScript(entryUrl.pathname) || isTypeScript(call.module))
  return { mode: call.mode, key: `${memoryMb ?? ''}|${typescript}`, memoryMb, typescript, near: call.module }
}

/** Options on Node's command line for a child process: those of this process, without what must not be shared. */
export function processArguments(launch: Launch, own: readonly string[] = process.execArgv): string[] {
  const inherited = own.filter(
    (option, index) => !isPrivate(option) && !takesScript(own[index - 1]) && !takesScript(option),
  )
  const loader =
    launch.typescript && !inherited.some((option) => /tsx|ts-node|swc/.test(option))
      ? resolveNear(launch.near, tsxForProcesses)
      : undefined
  return [
    ...inherited,
    ...(loader === undefined ? [] : ['--import', loader]),
    ...(launch.memoryMb === undefined ? [] : [`--max-old-space-size=${launch.memoryMb}`]),
  ]
}

/** The module whose `register()` teaches a thread TypeScript: on Node 20 a thread has no hooks of its parent. */
export function threadLoader(launch: Launch): string | undefined {
  return launch.typescript ? resolveNear(launch.near, tsxForThreads) : undefined
}

function tsxForProcesses(require: NodeJS.Require): string {
  return require.resolve('tsx')
}

/** `require.resolve('tsx/esm/api')` would name the CommonJS build, which cannot register itself. */
function tsxForThreads(require: NodeJS.Require): string {
  const manifest = require.resolve('tsx/package.json')
  const { exports } = require(manifest) as { exports: { './esm/api': { import: { default: string } } } }
  return join(manifest, '..', exports['./esm/api'].import.default)
}

/** Finds a file for the user's module, which may see other packages than this one, or else for this one. */
function resolveNear(near: string, find: (require: NodeJS.Require) => string): string | undefined {
  for (const base of [near, import.meta.url]) {
    try {
      return pathToFileURL(find(createRequire(base))).href
    } catch {
      // not installed there: the import of the module will say what is missing
    }
  }
  return undefined
}

function isTypeScript(path: string): boolean {
  return /\.[cm]?tsx?$/.test(path)
}

function nodeLoadsTypeScript(): boolean {
  return 'typescript' in process.features && Boolean(process.features.typescript)
}

/** Two processes cannot share one inspector port, and a child must not run the parent's tests, text or watcher. */
function isPrivate(option: string): boolean {
  return /^--(inspect|debug|test|watch|input-type|max[-_]old[-_]space[-_]size)/.test(option)
}

function takesScript(option: string | undefined): boolean {
  return option !== undefined && /^(-e|--eval|-p|--print|-pe)$/.test(option)
}

import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** What each part of src/ may import besides itself: only what stands to its left in the design. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  store: ['core'],
  worker: ['core', 'store'],
  workflow: ['core', 'store', 'worker'],
  schedule: ['core', 'store'],
  trigger: ['core', 'store'],
  live: ['core', 'store'],
  lock: ['core', 'store'],
  engine: ['core', 'store', 'worker', 'workflow', 'schedule', 'trigger', 'live', 'lock'],
  index: ['core', 'store', 'worker', 'workflow', 'schedule', 'trigger', 'live', 'lock', 'engine'],
  http: ['core', 'engine'],
  cli: ['core', 'engine', 'http'],
  testing: ['core', 'store', 'engine'],
  client: ['core'],
  react: ['core', 'client'],
  connectors: ['core'],
}

const inBrowser = ['core', 'client', 'react']
const onlyWhenUsed = ['@electric-sql/pglite', 'pg']

interface Import {
  readonly file: string
  readonly target: string
  readonly form: 'value' | 'type' | 'dynamic'
}

const imports = sourceFiles().flatMap(importsOf)
const internal = imports.filter(({ target }) => !isExternal(target))
const external = imports.filter(({ target }) => isExternal(target))

test('every part of src/ imports only what stands to its left', () => {
  const allowed = ({ file, target }: Import): boolean =>
    partOf(file) === partOf(target) || mayImport[partOf(file)]?.includes(partOf(target)) === true
  expect(internal.filter((each) => !allowed(each)).map(describe)).toEqual([])
})

test('what runs in a browser imports nothing of Node and no package but React', () => {
  const wrong = external.filter(({ file, target, form }) => {
    return inBrowser.includes(partOf(file)) && form !== 'type' && !(partOf(file) === 'react' && /^react\b/.test(target))
  })
  expect(wrong.map(describe)).toEqual([])
})

test('databases are loaded only when they are used', () => {
  const wrong = external.filter(({ target, form }) => form === 'value' && onlyWhenUsed.includes(packageOf(target)))
  expect(wrong.map(describe)).toEqual([])
})

test('no file imports itself by a detour', () => {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (path.includes(file) || done.has(file)) return
    for (const each of internal) if (each.file === file) visit(each.target, [...path, file])
    done.add(file)
  }
  for (const { file } of internal) visit(file, [])
  expect(cycles).toEqual([])
})

test('the rules have something to check', () => {
  expect(internal.length).toBeGreaterThan(10)
  expect(external.some(({ target, form }) => target === 'pg' && form === 'dynamic')).toBe(true)
})

function sourceFiles(): string[] {
  const files = readdirSync(new URL('../../src/', import.meta.url), { recursive: true, encoding: 'utf8' })
  return files.filter((file) => /\.tsx?$/.test(file)).map((file) => file.replaceAll('\\', '/'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(fileURLToPath(new URL(`../../src/${file}`, import.meta.url)), 'utf8')
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'"()=;]*?\sfrom\s+)?'([^']+)'/gm)
  const calls = text.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [
    ...[...statements].map(
      ([, type, target]) => ({ file, target: resolve(file, target!), form: type ? 'type' : 'value' }) as const,
    ),
    ...[...calls].map(([, target]) => ({ file, target: resolve(file, target!), form: 'dynamic' }) as const),
  ]
}

function resolve(file: string, target: string): string {
  return target.startsWith('.') ? posix.join(posix.dirname(file), target) : target
}

function isExternal(target: string): boolean {
  return !/\.(?:tsx?|js)$/.test(target) || target.startsWith('node:')
}

function partOf(file: string): string {
  const [part, ...inside] = file.split('/')
  // Files directly under src/ put the parts together; all of them count as the engine, except the way out.
  if (inside.length === 0) return file === 'index.ts' ? 'index' : 'engine'
  return part!
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
}

function describe({ file, target, form }: Import): string {
  return `src/${file} imports ${target} (${form})`
}

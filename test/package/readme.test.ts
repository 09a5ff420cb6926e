import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { errorCodes } from '../../src/index.ts'
import { moduleOf, type Sample, samplesOf } from './readme/samples.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Their samples show other libraries, which their own tests run. */
const samplesElsewhere = ['docs/guide/transactions.md', 'docs/guide/testing.md']

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }))

const samples = documents
  .filter(({ name }) => !samplesElsewhere.includes(name))
  .flatMap(({ name, text }) => samplesOf(name, text))

const folder = mkdtempSync(join(tmpdir(), 'legwork-readme-'))

beforeAll(() => writeProject(samples))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the README begins with a program', () => {
  const first = samples.find(({ page }) => page === 'README')
  expect(first?.language).toBe('ts')
  expect(first?.text.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10)
})

test('every TypeScript sample fits the types of the package', async () => {
  const { code, output } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'])
  expect(output.replaceAll(`${folder}/`, '')).toBe('')
  expect(code).toBe(0)
}, 60_000)

test('every sample runs, in the order of its page', async () => {
  const tsx = join(root, 'node_modules/.bin/tsx')
  const { code, output } = await run(tsx, [join(root, 'test/package/readme/run.ts'), folder])
  expect(code, output).toBe(0)
  expect(output).toContain('Hello, Ada')
  expect(output).toContain('true true false')
}, 120_000)

test('links inside the documents lead somewhere', () => {
  const broken = documents.flatMap(({ name, text }) =>
    [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
      .filter(
        ([, path = '', anchor]) => !leadsSomewhere(join(dirname(name), path), path === '' ? name : undefined, anchor),
      )
      .map(([link]) => `${name}: ${link}`),
  )
  expect(broken).toEqual([])
})

test('every error code has its section, and every section a code', () => {
  const text = documents.find(({ name }) => name === join('docs', 'reference', 'errors.md'))?.text ?? ''
  const sections = text.split(/^## /m).slice(1)
  expect(sections.map((section) => section.split('\n', 1)[0])).toEqual(Object.keys(errorCodes))
  for (const section of sections) {
    expect(section).toContain('**What happened.**')
    expect(section).toContain('**What to do.**')
  }
})

/** Writes the samples as a project of their own, which knows `legwork` as the sources here. */
function writeProject(all: readonly Sample[]): void {
  const given = [
    ...readFileSync(join(root, 'test/package/readme/given.ts'), 'utf8').matchAll(
      /^export (?:const (\w+)|\{ (.+) \})/gm,
    ),
  ]
  const names = given.flatMap(([, name, list]) => (name ? [name] : (list ?? '').split(', ')))
  for (const sample of all) {
    mkdirSync(dirname(join(folder, sample.page, sample.file)), { recursive: true })
    if (sample.language === 'ts') writeFileSync(join(folder, sample.page, sample.file), moduleOf(sample, names))
  }
  const paths = { legwork: [join(root, 'src/index.ts')], given: [join(root, 'test/package/readme/given.ts')] }
  const compilerOptions = { paths, noUnusedLocals: false, allowImportingTsExtensions: true }
  const settings = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*/*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'samples.json'), JSON.stringify(all))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
}

function run(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const { DATABASE_URL: _server, ...env } = process.env
  const child = spawn(command, args, { cwd: folder, env: { ...env, TSX_TSCONFIG_PATH: join(folder, 'tsconfig.json') } })
  return new Promise((resolve, reject) => {
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += String(chunk)))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

function leadsSomewhere(path: string, self: string | undefined, anchor: string | undefined): boolean {
  const target = self ?? relative('.', path)
  if (!existsSync(join(root, target))) return false
  if (anchor === undefined) return true
  const page = documents.find(({ name }) => name === target)
  return page !== undefined && anchorsOf(page.text).includes(anchor)
}

/** The anchors that GitHub gives to headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

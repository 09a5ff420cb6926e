import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, isBuilt } from './build.mjs'
import { exitOnError, must } from './process.mjs'

const mayShip = [
  /^dist\//,
  /^sql\/\d{4}_.+\.sql$/,
  /^package\.json$/,
  /^(README|CHANGELOG)\.md$/,
  /^LICENSE$/,
  /^llms\.txt$/,
]
const mustShip = ['dist/index.js', 'dist/index.d.ts', 'package.json']
const mostBytes = 2_000_000

const body = `
const double = job('double', {}, async ({ input }) => ({ doubled: input.n * 2 }))
async function main() {
  const lw = await legwork({ jobs: [double] })
  try {
    await lw.work()
    const ref = await lw.enqueue(double, { n: 21 })
    const { doubled } = await ref.result()
    if (doubled !== 42) throw new Error('expected 42, got ' + doubled)
  } finally {
    await lw.close()
  }
}
main().catch((error) => { console.error(error); process.exitCode = 1 })
`

/** Packs the package, installs it into an empty project and uses it there, as its users will: by import and by require. */
async function smoke() {
  if (!isBuilt()) await build()
  const project = mkdtempSync(join(tmpdir(), 'legwork-smoke-'))
  try {
    const tarball = await pack(project)
    writeFileSync(join(project, 'package.json'), '{ "private": true }\n')
    await must('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball], {
      cwd: project,
    })
    writeFileSync(join(project, 'imports.mjs'), `import { job, legwork } from 'legwork'\n${body}`)
    writeFileSync(join(project, 'requires.cjs'), `const { job, legwork } = require('legwork')\n${body}`)
    // Without DATABASE_URL it has to bring its own database.
    for (const file of ['imports.mjs', 'requires.cjs'])
      await must(process.execPath, [file], { cwd: project, env: { DATABASE_URL: undefined } })
    writeFileSync(join(project, 'crontab'), '0 2 * * * /usr/bin/backup\n')
    const command = join(project, 'node_modules/.bin/legwork')
    await must(command, ['import-schedules', 'crontab', 'crontab', '--out', 'schedules.ts'], { cwd: project })
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

async function pack(destination) {
  const output = await must('npm', [
    'pack',
    '--json',
    '--ignore-scripts',
    '--loglevel=error',
    '--pack-destination',
    destination,
  ])
  const [{ filename, size, files }] = JSON.parse(output.slice(output.indexOf('[')))
  const paths = files.map((file) => file.path)
  const surplus = paths.filter((path) => !mayShip.some((pattern) => pattern.test(path)))
  const missing = mustShip.filter((path) => !paths.includes(path))
  if (surplus.length > 0) throw new Error(`The package must not ship ${surplus.join(', ')}.`)
  if (missing.length > 0) throw new Error(`The package does not ship ${missing.join(', ')}.`)
  if (size > mostBytes) throw new Error(`The package has ${size} bytes packed, more than ${mostBytes}.`)
  return join(destination, filename)
}

smoke().catch(exitOnError)

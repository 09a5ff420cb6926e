import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exitOnError, must, root, run } from './process.mjs'
import { setup } from './setup.mjs'

const folder = join(root, 'bench')

/** Runs the benchmark. Its packages are not part of the repository's installation: they are installed on first use. */
async function bench() {
  await setup({ build: true })
  if (!isInstalled()) {
    console.log('bench: npm ci in bench/ (the peers that Legwork is measured beside)')
    await must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
  }
  const program = [`--import=${import.meta.resolve('tsx')}`, join(folder, 'run.ts'), ...process.argv.slice(2)]
  const { code } = await run(process.execPath, program, { show: true })
  process.exitCode = code
}

// npm keeps its own record of what it installed.
function isInstalled() {
  const [wanted, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((file) =>
    versions(join(folder, file)),
  )
  return Object.entries(wanted).every(
    ([path, version]) => !path.startsWith('node_modules/') || installed[path] === version,
  )
}

function versions(file) {
  if (!existsSync(file)) return {}
  const { packages } = JSON.parse(readFileSync(file, 'utf8'))
  const required = Object.entries(packages).filter(([, entry]) => !entry.optional)
  return Object.fromEntries(required.map(([path, entry]) => [path, entry.version ?? 'link']))
}

bench().catch(exitOnError)

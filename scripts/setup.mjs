import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, isBuilt } from './build.mjs'
import { exitOnError, isMain, must, root } from './process.mjs'

const minimum = [20, 19]

/** Makes a fresh or outdated clone ready to run. Does nothing, silently, when there is nothing to do. */
export async function setup({ build: wantsBuild = false } = {}) {
  requireNode()
  const reason = whyInstall()
  if (reason) await install(reason)
  if (wantsBuild && !isBuilt()) {
    console.log('setup: building dist (sources changed since the last build)')
    await build()
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > minimum[0] || (major === minimum[0] && minor >= minimum[1])) return
  throw new Error(`Legwork needs Node ${minimum.join('.')} or newer, this is ${process.versions.node}.`)
}

// npm keeps its own record of what it installed, so an `npm install` made by hand counts as well as one made here.
function whyInstall() {
  const installed = lockedPackages('node_modules/.package-lock.json')
  if (!installed) return 'node_modules is missing'
  const wanted = Object.entries(lockedPackages('package-lock.json') ?? {})
  const stale = wanted.find(([path, entry]) => path.includes('node_modules/') && !matches(entry, installed[path]))
  return stale && `${stale[0]} is not at the locked version`
}

function lockedPackages(file) {
  const path = join(root, file)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined
}

function matches(wanted, installed) {
  if (!installed) return Boolean(wanted.optional || wanted.devOptional || wanted.peer)
  return wanted.version === installed.version && wanted.integrity === installed.integrity
}

async function install(reason) {
  const command = existsSync(join(root, 'package-lock.json')) ? 'ci' : 'install'
  console.log(`setup: npm ${command} (${reason})`)
  // A production environment must not leave out the tools the scripts need.
  await must('npm', [command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
}

if (isMain(import.meta)) setup({ build: process.argv.includes('--build') }).catch(exitOnError)

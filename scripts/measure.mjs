import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exitOnError, isMain, root } from './process.mjs'
import { setup } from './setup.mjs'

const rounds = 5
const idleSeconds = 10

/** What one process does: opens the engine on a folder, and optionally works and rests before it reports. */
const child = `
const [folder, rest] = process.argv.slice(1)
const start = performance.now()
const { job, legwork } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)})
const hello = job('hello', {}, () => 'hello')
const imported = performance.now()
const lw = await legwork({ jobs: [hello], database: folder })
const opened = performance.now()
if (Number(rest) > 0) {
  await lw.work()
  await new Promise((resolve) => setTimeout(resolve, Number(rest) * 1000))
}
const { rss } = process.memoryUsage()
await lw.close()
console.log(JSON.stringify({ legwork: opened - imported, process: performance.timeOrigin + opened, rss }))
`

/** Measures what the README states: start on a new and on an existing folder, and memory of a process that waits for work. */
async function measure() {
  await setup({ build: true })
  const found = { first: [], second: [], whole: [], rss: [] }
  for (let round = 0; round < rounds; round++) await measureOnce(found)
  console.log(`Node ${process.version}, ${process.platform}-${process.arch}, medians of ${rounds}`)
  console.log(`legwork() on a new folder:           ${seconds(found.first)}`)
  console.log(`legwork() on an existing folder:     ${seconds(found.second)}`)
  console.log(`whole process until then:            ${seconds(found.whole)}`)
  console.log(`memory after ${idleSeconds} s of idle work():    ${Math.round(median(found.rss) / 2 ** 20)} MiB (RSS)`)
}

async function measureOnce(found) {
  const parent = mkdtempSync(join(tmpdir(), 'legwork-measure-'))
  try {
    const folder = join(parent, 'db')
    found.first.push((await runChild(folder, 0)).legwork)
    const second = await runChild(folder, 0)
    found.second.push(second.legwork)
    found.whole.push(second.whole)
    found.rss.push((await runChild(folder, idleSeconds)).rss)
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

function runChild(folder, rest) {
  return new Promise((resolve, reject) => {
    const began = performance.timeOrigin + performance.now()
    const run = spawn(process.execPath, ['--input-type=module', '-e', child, folder, String(rest)], { cwd: root })
    let output = ''
    run.stdout.on('data', (chunk) => (output += chunk))
    run.stderr.on('data', (chunk) => process.stderr.write(chunk))
    run.once('error', reject)
    run.once('close', (code) => {
      if (code !== 0) return reject(new Error(`The measured process ended with code ${code}.`))
      const result = JSON.parse(output)
      resolve({ ...result, whole: result.process - began })
    })
  })
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

function seconds(values) {
  const rounded = values.map((value) => (value / 1000).toFixed(2))
  return `${(median(values) / 1000).toFixed(2)} s   (${rounded.join(', ')})`
}

if (isMain(import.meta)) measure().catch(exitOnError)

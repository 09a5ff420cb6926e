#!/usr/bin/env node
import { readFile, writeFile } from 'node:fs/promises'
import { run } from './cli.ts'

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  env: process.env,
  readFile: (path) => readFile(path, 'utf8'),
  writeFile: (path, text) => writeFile(path, text),
})

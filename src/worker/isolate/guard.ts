import { Worker } from 'node:worker_threads'

// Plain JavaScript in a string, so that the thread needs no loader and starts at once.
const watchParent = `
const { Socket } = require('node:net')
const end = () => {
  try { if (process.platform !== 'win32') process.kill(-process.pid, 'SIGKILL') } catch {}
  process.kill(process.pid, 'SIGKILL')
}
new Socket({ fd: 4 }).on('end', end).on('close', end).on('error', end).resume()`

/**
 * Ends this process, and what it started, when the parent is gone. A thread watches the pipe to the parent,
 * because a handler may keep the main thread busy for ever.
 */
export function guardProcess(): void {
  new Worker(watchParent, { eval: true, execArgv: [], env: {} }).unref()
  // Service managers signal every process of a service. The parent is one of them, and decides when this one ends.
  process.on('SIGTERM', () => {})
  process.on('SIGINT', () => {})
}

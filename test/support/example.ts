import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** How long building the package may take, and a run of an example. */
export const patience = 180_000

let built: Promise<unknown> | undefined

/** Examples import the package as its users do: what is built. `npm test` has built it; this is for files that are run alone. */
export function buildPackage(): Promise<unknown> {
  built ??= promisify(execFile)(process.execPath, ['scripts/setup.mjs', '--build'], { cwd: root })
  return built
}

/** Runs an example in a folder of the test, without a database in the environment, until it ends. */
export async function runExample(
  name: string,
  folder: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  const { DATABASE_URL: _, ...env } = process.env
  const line = ['--import', import.meta.resolve('tsx'), join(root, 'examples', name, 'main.ts'), ...args]
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, line, { cwd: folder, env })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: `${stdout}${stderr}` }
  }
}

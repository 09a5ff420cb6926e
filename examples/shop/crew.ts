import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'

/** Worker processes of which one is killed now and then, and replaced. */
export interface Crew {
  readonly size: number
  readonly kills: number
  /** Ends all of them. @throws what went wrong when one was to be replaced */
  stop(): Promise<void>
}

const size = 3

export interface CrewOptions {
  /** How many are killed at most: after that they are left to finish. */
  readonly mostKills: number
  readonly signal: AbortSignal
}

/** @param args what each worker is started with */
export async function startCrew(args: readonly string[], { mostKills, signal }: CrewOptions): Promise<Crew> {
  const alive = new Set<Child>()
  const stopping = new AbortController()
  const start = async () => void alive.add(await startChild('worker-process.ts', args))
  const killAll = () => Promise.all([...alive].map((worker) => worker.kill()))
  let kills = 0

  async function wreak(): Promise<void> {
    const until = AbortSignal.any([signal, stopping.signal])
    while (kills < mostKills && !until.aborted) {
      await sleep(300 + Math.random() * 900, undefined, { signal: until }).catch(() => undefined)
      const victim = [...alive][Math.floor(Math.random() * alive.size)]
      if (until.aborted || !victim) return
      alive.delete(victim)
      await victim.kill()
      kills++
      await start()
    }
  }

  for (let n = 0; n < size; n++)
    await start().catch(async (error: unknown) => {
      await killAll()
      throw error
    })
  const wreaking = wreak()
  wreaking.catch(() => undefined) // told by stop()
  return {
    size,
    get kills() {
      return kills
    },
    async stop() {
      stopping.abort()
      try {
        await wreaking
      } finally {
        await killAll()
      }
    },
  }
}

import { expect } from 'vitest'
import { isFinal } from '../../../src/core/states.ts'
import type { ClaimedJob } from '../../../src/store/queries/claimed-job.ts'
import { newJob, type StoreBench, StoreWorker } from '../support.ts'
import { blame, suspectOf, cancelsAsked, checkClaim, checkCounters, checkLeases, toEnding, toReturn } from './checks.ts'
import type { Command, End } from './command.ts'
import { type Allowed, lookAt, Model } from './model.ts'

const crashLimit = 3
const lease = 10_000
/** A rescue buries this many of the silent workers, those with the lowest ids; the next one goes on. */
const mostBuried = 8
const rules = { lease, limits: {}, defaultLimit: crashLimit } as const
const queues = ['q', 'r'] as const
const names = ['a', 'b'] as const

/** A worker process of the history. */
interface Process {
  readonly worker: StoreWorker
  readonly held: ClaimedJob[]
  /** Claims whose answer it never got. */
  readonly unheard: { readonly batch: number; readonly ids: readonly string[] }[]
  beatAt: number
}

type Do<K extends Command['do']> = Extract<Command, { do: K }>

/** Drives a store through one history and holds everything it does against the model. */
export class Run {
  readonly #bench: StoreBench
  readonly #model = new Model()
  readonly #processes: Process[] = []
  /** Those that are silent now, until they are buried. */
  #silent: Process[] = []
  /** Left without settling: their jobs wait for any rescue. */
  #left: Process[] = []
  readonly #past: { readonly worker: StoreWorker; readonly job: ClaimedJob }[] = []
  readonly #paused = new Set<string>()
  #above = '0'
  #now = 0

  private constructor(bench: StoreBench) {
    this.#bench = bench
  }

  static async play(bench: StoreBench, commands: readonly Command[]): Promise<void> {
    const run = new Run(bench)
    await run.#begin()
    for (const command of commands) {
      run.#model.command++
      const allowed = await run.#do(command)
      if (command.do !== 'advance' && command.do !== 'beat' && command.do !== 'pause') await run.#look(allowed)
    }
    await run.#finish()
  }

  async #begin(): Promise<void> {
    const [last] = await this.#bench.database.query<{ id: string }>(
      'select coalesce(max(id), 0)::text as id from legwork.jobs',
    )
    this.#above = last!.id
    for (let n = 0; n < 3; n++) this.#processes.push(await this.#process())
  }

  async #process(): Promise<Process> {
    return { worker: await StoreWorker.register(this.#bench.store), held: [], unheard: [], beatAt: this.#now }
  }

  readonly #actions: { readonly [K in Command['do']]: (command: Do<K>) => Promise<Allowed> } = {
    enqueue: (command) => this.#enqueue(command),
    claim: (command) => this.#claim(command),
    settle: (command) => this.#settle(command),
    'settle again': (command) => this.#settleAgain(command),
    beat: (command) => this.#beat(command),
    'return strays': (command) => this.#returnStrays(command),
    crash: (command) => this.#crash(command),
    leave: (command) => this.#leave(command),
    rescue: (command) => this.#rescue(command),
    cancel: (command) => this.#cancel(command),
    redrive: (command) => this.#redrive(command),
    stage: (command) => this.#stage(command),
    advance: (command) => this.#advance(command),
    sweep: () => this.#sweep(),
    pause: (command) => this.#pause(command),
  }

  #do(command: Command): Promise<Allowed> {
    return (this.#actions[command.do] as (command: Command) => Promise<Allowed>)(command)
  }

  async #enqueue({ jobs }: Do<'enqueue'>): Promise<Allowed> {
    const added = await this.#bench.store.enqueue(
      jobs.map(({ delay, ...draft }) => newJob({ ...draft, delayMs: delay })),
    )
    added.forEach(({ id, created }, place) => {
      const draft = jobs[place]!
      const holder = this.#model.holderOfUnique(draft)
      expect({ id, created }).toEqual({ id: holder?.id ?? id, created: holder === undefined })
      if (created) this.#model.add(id, draft)
    })
    return { events: [] }
  }

  async #claim({ worker, limit, all, heard }: Do<'claim'>): Promise<Allowed> {
    const process = this.#processes[worker]!
    const jobs = await this.#claimFor(process, limit, all ? names : ['a'])
    if (heard) process.held.push(...jobs)
    else process.unheard.push({ batch: process.worker.lastBatch, ids: jobs.map((job) => job.id) })
    return { events: ['claim', 'block'] }
  }

  async #claimFor(process: Process, limit: number, known: readonly string[]): Promise<ClaimedJob[]> {
    const open = queues.filter((queue) => !this.#paused.has(queue))
    const model = this.#model
    const waiting = [...model.jobs.values()].filter(
      (job) => model.stateOf(job.id) === 'ready' && open.includes(job.draft.queue) && known.includes(job.draft.name),
    )
    const claimed = await process.worker.claimFully({ limit, queues: open, names: known, priorities: [0, 5] })
    checkClaim(model, claimed, waiting, limit)
    return [...claimed.jobs]
  }

  async #settle({ worker, ends }: Do<'settle'>): Promise<Allowed> {
    const process = this.#processes[worker]!
    const chosen = new Map<ClaimedJob, End>()
    for (const { job, end } of ends)
      if (process.held.length > 0) chosen.set(process.held[job % process.held.length]!, end)
    await this.#write(process, chosen)
    return {
      events: ['complete', 'fail', 'cancel', 'retry', 'snooze', 'release', 'unblock'],
      ids: [...chosen.keys()].map((job) => job.id),
    }
  }

  /** As a worker's writer does it: a return that did not go through because of a cancel ends as cancelled. */
  async #write(process: Process, chosen: ReadonlyMap<ClaimedJob, End>): Promise<void> {
    const rest = process.held.filter((job) => !chosen.has(job))
    const batches = new Set([...chosen.keys()].map((job) => job.batch))
    const emptyBatches = [...batches].filter((batch) => !rest.some((job) => job.batch === batch))
    const mine = [...chosen.keys()].filter((job) => this.#owns(process, job))
    const { ids } = await this.#send(process.worker, chosen, emptyBatches)
    const asked = mine.filter((job) => !ids.has(job.id))
    const again = await this.#send(process.worker, new Map(asked.map((job) => [job, 'cancelled'])), emptyBatches)
    expect(new Set([...ids, ...again.ids]), 'what is ours is written, nothing else is').toEqual(
      new Set(mine.map((job) => job.id)),
    )
    process.held.splice(0, Infinity, ...rest)
    this.#past.push(...[...chosen.keys()].map((job) => ({ worker: process.worker, job })))
  }

  async #send(
    worker: StoreWorker,
    chosen: ReadonlyMap<ClaimedJob, End>,
    emptyBatches: readonly number[],
  ): ReturnType<StoreBench['store']['settle']> {
    const endings = [...chosen].flatMap(([job, end]) => toEnding(job, end))
    const returns = [...chosen].flatMap(([job, end]) => toReturn(job, end))
    const settled = await this.#bench.store.settle(worker.scope(emptyBatches), endings, returns)
    for (const { id, outcome } of returns)
      if (settled.ids.has(id) && outcome !== 'retry') this.#model.known(id).attempt--
    return settled
  }

  #owns(process: Process, job: ClaimedJob): boolean {
    const seen = this.#model.seen.get(job.id)
    return seen?.state === 'running' && seen.claim === job.claim && process.held.includes(job)
  }

  /** A message from the past: under a claim that has ended it changes nothing. */
  async #settleAgain({ past, end }: Do<'settle again'>): Promise<Allowed> {
    const old = this.#past.length > 0 ? this.#past[past % this.#past.length]! : undefined
    if (!old) return { events: [] }
    const settled = await this.#bench.store.settle(old.worker.scope(), toEnding(old.job, end), toReturn(old.job, end))
    expect(settled).toEqual({ ids: new Set(), woken: [] })
    const line = { id: old.job.id, claim: old.job.claim, kind: 'log', data: '1' } as const
    expect(await this.#bench.store.appendFeed(0, [line])).toEqual(new Set())
    return { events: [] }
  }

  async #beat({ worker }: Do<'beat'>): Promise<Allowed> {
    const process = this.#processes[worker]!
    process.beatAt = this.#now
    expect(await this.#bench.store.beatWorker(process.worker.id, process.held.length, 'running')).toBe(true)
    const held = process.held.map(({ id, claim }) => ({ id, claim }))
    const looks = await this.#bench.store.lookAfter(0, process.worker.id, held)
    expect(
      looks.every((look) => look.mine),
      'a living worker keeps what it holds',
    ).toBe(true)
    return { events: [] }
  }

  async #returnStrays({ worker }: Do<'return strays'>): Promise<Allowed> {
    const process = this.#processes[worker]!
    const lost = process.unheard.splice(0)
    const ids = lost.flatMap((claim) => claim.ids).filter((id) => this.#model.stateOf(id) === 'running')
    await this.#bench.store.returnStrays(
      process.worker.id,
      lost.map((claim) => claim.batch),
    )
    for (const id of ids) this.#model.known(id).attempt--
    return { events: ['release', 'rescue'], ids }
  }

  async #crash({ worker }: Do<'crash'>): Promise<Allowed> {
    this.#silent.push(this.#processes[worker]!)
    this.#processes[worker] = await this.#process()
    return { events: [] }
  }

  async #leave({ worker }: Do<'leave'>): Promise<Allowed> {
    const process = this.#processes[worker]!
    await this.#bench.store.endWorker(process.worker.id)
    this.#left.push(process)
    this.#processes[worker] = await this.#process()
    return { events: [] }
  }

  async #rescue({ rescuer }: Do<'rescue'>): Promise<Allowed> {
    const own = this.#processes[rescuer]!
    const dead = [...this.#processes, ...this.#silent]
      .filter((process) => process !== own && this.#now - process.beatAt > lease)
      .toSorted((a, b) => a.worker.id - b.worker.id)
      .slice(0, mostBuried)
    const ids = [...dead, ...this.#left].flatMap((process) => this.#jobsOf(process))
    const cancelled = await cancelsAsked(this.#bench, ids)
    for (const process of dead) {
      const suspect = suspectOf(this.#jobsOf(process).map((id) => this.#model.known(id)))
      await this.#bench.store.markSuspect(process.worker.id, suspect?.id)
    }
    const blamed = dead.flatMap((process) => blame(this.#jobsOf(process).map((id) => this.#model.known(id))))
    const poisoned = blamed.filter((job) => job.crashes >= crashLimit && !cancelled.has(job.id)).map((job) => job.id)
    const rescued = await this.#bench.store.rescue({ rescuer: own.worker.id, ...rules })
    expect(new Set(rescued.workers)).toEqual(new Set(dead.map((process) => process.worker.id)))
    expect(new Set(rescued.poisoned), 'poisoned').toEqual(new Set(poisoned))
    expect(new Set(rescued.cancelled), 'cancelled').toEqual(cancelled)
    expect(rescued.returned).toBe(ids.length - rescued.poisoned.length - rescued.cancelled.length)
    for (const id of ids) this.#model.known(id).attempt--
    await this.#bury(dead)
    return { events: ['rescue', 'unblock'], ids }
  }

  #jobsOf(process: Process): string[] {
    const claims = [
      ...process.held.filter((job) => this.#owns(process, job)).map((job) => job.id),
      ...process.unheard.flatMap((claim) => claim.ids),
    ]
    return claims.filter((id) => this.#model.stateOf(id) === 'running')
  }

  async #bury(dead: readonly Process[]): Promise<void> {
    const gone = [...dead, ...this.#left]
    this.#left = []
    this.#silent = this.#silent.filter((process) => !dead.includes(process))
    for (const process of gone) for (const job of process.held) this.#past.push({ worker: process.worker, job })
    for (const [place, process] of this.#processes.entries())
      if (dead.includes(process)) this.#processes[place] = await this.#process()
  }

  async #cancel({ job }: Do<'cancel'>): Promise<Allowed> {
    const ids = [...this.#model.jobs.keys()]
    const id = ids[job % ids.length]
    if (id === undefined) return { events: [] }
    const state = this.#model.stateOf(id)!
    const { outcome } = await this.#bench.store.cancel(id, 'because')
    expect(outcome).toBe(isFinal(state) ? 'none' : state === 'running' ? 'asked' : 'cancelled')
    return { events: ['cancel', 'unblock'], ids: [id] }
  }

  async #redrive({ jobs }: Do<'redrive'>): Promise<Allowed> {
    const all = [...this.#model.jobs.keys()]
    const ids = [...new Set(jobs.flatMap((job) => all[job % all.length] ?? []))]
    const redriven = await this.#bench.store.redrive(ids)
    for (const id of redriven.ids) if (isFinal(this.#model.stateOf(id)!)) this.#model.begunAgain(id)
    return { events: ['redrive'], ids: [...redriven.ids] }
  }

  async #stage({ limit }: Do<'stage'>): Promise<Allowed> {
    const due = await this.#bench.store.nextDue(0)
    const staged = await this.#bench.store.stage(0, limit)
    expect(staged.woken.length > 0).toBe(due !== undefined && due <= 0)
    return { events: ['stage'] }
  }

  async #advance({ ms }: Do<'advance'>): Promise<Allowed> {
    this.#now += ms
    await this.#bench.advance(ms)
    return { events: [] }
  }

  async #sweep(): Promise<Allowed> {
    await this.#bench.store.sweep(0)
    return { events: ['unblock'] }
  }

  async #pause({ queue, paused }: Do<'pause'>): Promise<Allowed> {
    if (paused) await this.#bench.store.pauseQueue(queue, 'history', undefined)
    else await this.#bench.store.resumeQueue(queue, undefined)
    const rows = await this.#bench.store.queues()
    this.#paused.clear()
    for (const row of rows) if (row.paused) this.#paused.add(row.name)
    return { events: [] }
  }

  /** Every process dies, a new one comes: nothing may be stuck, and the counters must agree with the rows. */
  async #finish(): Promise<void> {
    await checkLeases(this.#bench)
    await checkCounters(this.#bench)
    for (const queue of queues) await this.#pause({ do: 'pause', queue, paused: false })
    this.#silent.push(...this.#processes.splice(0))
    const last = await this.#process()
    this.#processes.push(last)
    for (let round = 0; ; round++) {
      expect(round, 'rounds until everything has ended').toBeLessThan(60)
      await this.#advance({ do: 'advance', ms: lease * 2 })
      await this.#step(() => this.#chores())
      await this.#step(() => this.#claim({ do: 'claim', worker: 0, limit: 50, all: true, heard: true }))
      const ends = last.held.map((_, job) => ({ job, end: 'completed' as const }))
      await this.#step(() => this.#settle({ do: 'settle', worker: 0, ends }))
      if ([...this.#model.seen.values()].every((job) => isFinal(job.state))) break
    }
    await checkCounters(this.#bench)
    expect(await this.#bench.database.query('select * from legwork.key_holder')).toEqual([])
    expect(await this.#bench.store.leasesOf(last.worker.id)).toEqual([])
    await this.#bench.store.endWorker(last.worker.id)
  }

  /** What every worker does in the background; no job is moved by two of them. */
  async #chores(): Promise<Allowed> {
    const { ids } = await this.#rescue({ do: 'rescue', rescuer: 0 })
    await this.#stage({ do: 'stage', limit: 100 })
    await this.#sweep()
    const staged = [...this.#model.jobs.keys()].filter((id) => this.#model.stateOf(id) === 'scheduled')
    return { events: ['rescue', 'unblock', 'stage'], ids: [...(ids ?? []), ...staged] }
  }

  async #step(work: () => Promise<Allowed>): Promise<void> {
    this.#model.command++
    await this.#look(await work())
  }

  async #look(allowed: Allowed): Promise<void> {
    this.#model.observe(await lookAt(this.#bench.database, this.#above), allowed)
  }
}

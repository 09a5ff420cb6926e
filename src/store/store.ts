import type { AttemptRecord, Ended, JobRecord } from './queries/find.ts'
import type { BatchStatus, Child, ChildCursor, ChildrenPlan, Follow, Member } from './queries/batches.ts'
import type { BoundPlan } from '../core/bound.ts'
import type { BoundRow, BoundUseRow } from './queries/bounds.ts'
import type { Cancelled } from './queries/cancel.ts'
import type { Patch } from '../core/change.ts'
import type { Changed } from './queries/change.ts'
import type { Claimed, ClaimRequest } from './queries/claim.ts'
import type { SetAside, SetAsideRequest } from './queries/set-aside.ts'
import type { Enqueued, NewJob } from './queries/enqueue.ts'
import type { Expired } from './queries/expire.ts'
import type { Fork, ForkPlan } from './queries/fork.ts'
import type { FeedEntry, FeedPlace, FeedSnapshot } from './queries/feed.ts'
import type { HistoryRow } from './queries/history.ts'
import type { BlockedKey } from './queries/keys.ts'
import type { Gap, LaneName, QueueRow } from './queries/lanes.ts'
import type { JobFilter, JobPage, ListOptions } from './queries/list.ts'
import type { DefinitionRow, QueueStatus } from './queries/queues.ts'
import type { StepRecord, UndoRecord } from './queries/look.ts'
import type { Redriven } from './queries/redrive.ts'
import type { Resolved } from './queries/resolve.ts'
import type { Rescue, RescueRequest } from './queries/rescue.ts'
import type { StoredFiring } from '../core/firing.ts'
import type { StoredRule } from '../core/limit.ts'
import type { LimitDeclaration, LimitHead, LimitRow } from './queries/limit-settings.ts'
import type { SettingKind, SettingRow } from './queries/settings.ts'
import type { Admitted, AdmitRequest } from './queries/limits.ts'
import type { LockCall, LockStatus, LockTake } from './queries/locks.ts'
import type { Ending, Return, Settled, SettleScope } from './queries/settle.ts'
import type { Signal, TokenUse } from './queries/signals.ts'
import type { Memory, StepEntry, StepJob, StepResult, StepWrite } from './queries/steps.ts'
import type { Staged } from './queries/stage.ts'
import type { FiringRecord } from './queries/firings.ts'
import type { Difference, NewState, ScheduleDraft, ScheduleRow } from './queries/schedules.ts'
import type { Carried, FiringPlan, Standing } from './scheduling.ts'
import type { Retention } from './queries/upkeep.ts'
import type { Held, Look, WorkerInfo, WorkerRecord } from './queries/workers.ts'
import type { Transaction } from './transaction/transaction.ts'

/**
 * Everything the engine asks of its database: one method per operation, each atomic. Fencing is the store's:
 * what names (id, claim) of a job that another worker has taken changes nothing and is reported as lost.
 */
export interface Store {
  readonly kind: 'pglite' | 'postgres'
  /** No other process can reach this database. */
  readonly exclusive: boolean

  /** Applies missing migrations; returns their names. */
  migrate(): Promise<readonly string[]>

  enqueue(jobs: readonly NewJob[], tx?: Transaction): Promise<Enqueued[]>
  claim(request: ClaimRequest): Promise<Claimed>
  /** Sets ready jobs of held keys aside; how many. */
  setAside(request: SetAsideRequest): Promise<SetAside>
  /** Decides which claimed jobs may run now under their limits, and blocks the others. */
  admit(request: AdmitRequest): Promise<Admitted>
  /** Lets in, at up to so many limits, where time alone has made room. */
  letIn(most: number): Promise<{ woken: readonly LaneName[]; dueIn: number | undefined; more: boolean }>
  /** The limits that there are. */
  limitHeads(): Promise<LimitHead[]>
  /** Writes what code says about limits; jobs `without` one have none of their own any more. */
  declareLimits(limits: readonly LimitDeclaration[], without: readonly string[]): Promise<void>
  /** Changes a rule at run time, null goes back to what code says. */
  setRule(kind: 'limit' | 'bound', name: string, rule: StoredRule | null, by: string | undefined): Promise<void>
  setBreaker(name: string, open: boolean, reason: string | undefined, by: string | undefined): Promise<void>
  /** All limits and breakers, or the one of that name. */
  limits(name?: string): Promise<LimitRow[]>
  /** Writes what code says of the bounds of queues; one without a plan has none by code any more. */
  declareBounds(queues: readonly string[], plans: readonly BoundPlan[]): Promise<void>
  bounds(name?: string): Promise<BoundRow[]>
  /** How a bound stands for its values, the fullest first. */
  boundUsage(name: string, limit: number): Promise<BoundUseRow[]>
  /** Counts jobs that bounds have refused, by the names of the bounds. */
  countRejected(counts: ReadonlyMap<string, number>): Promise<void>
  /** The changes of a setting, newest first, at most 1,000. */
  settingHistory(kind: SettingKind, name: string): Promise<SettingRow[]>
  /** A running job asks its limits to let nobody begin for `ms`: how many that are, undefined when it is not this worker's any more. */
  slowDown(workerId: number, job: StepJob, ms: number, name: string | undefined): Promise<number | undefined>
  /** Gives a call the lock, with a token that is larger than that of any holder before; undefined when it is not free. */
  takeLock(take: LockTake): Promise<bigint | undefined>
  /** Of each call, whether it still has its lock, for another lease. */
  renewLocks(calls: readonly LockCall[]): Promise<boolean[]>
  /** Frees the lock of a call, or takes it out of the line: whether it had it until now, and whether somebody waits. */
  freeLock(call: Pick<LockCall, 'name' | 'who'>): Promise<{ mine: boolean; wanted: boolean }>
  /** Locks that somebody has or waits for, by name. */
  locks(): Promise<LockStatus[]>
  settle(scope: SettleScope, endings: readonly Ending[], returns: readonly Return[]): Promise<Settled>
  appendFeed(slot: number, entries: readonly FeedEntry[]): Promise<ReadonlySet<string>>
  /** Writes what durable jobs remember; returns the jobs that are still this worker's. */
  saveSteps(slot: number, workerId: number, writes: readonly StepWrite[]): Promise<ReadonlySet<string>>
  /** What each of the jobs remembers. */
  loadSteps(slot: number, ids: readonly string[]): Promise<Map<string, Memory>>
  /**
   * Runs `work` in a transaction and notes its result, JSON text, as that of the step, in one commit; a result that was
   * committed before is returned instead; undefined when the job is not this worker's any more. `begin` begins the transaction, where it is not the engine's own.
   */
  stepTransaction(
    workerId: number,
    job: StepJob,
    entry: StepEntry,
    work: (tx: unknown) => Promise<string | null>,
    begin: ((work: (tx: unknown) => Promise<void>) => Promise<unknown>) | undefined,
    took: () => number,
  ): Promise<StepResult | undefined>
  /** Sends JSON text to an unfinished job; the lanes it was woken in, undefined when there is no such job. */
  sendSignal(id: string, topic: string, data: string | null): Promise<readonly LaneName[] | undefined>
  /** The same, once for each nonce; `'used'` when that was done before. */
  sendSignalOnce(
    id: string,
    topic: string,
    data: string | null,
    use: TokenUse,
  ): Promise<readonly LaneName[] | 'used' | undefined>
  /** The signals of a topic that no wait has taken yet, oldest first. */
  waitingSignals(job: StepJob, topic: string): Promise<Signal[]>
  /**
   * Notes a signal as the result of a wait, if it is still there; undefined when the job is not this worker's any more.
   */
  takeSignal(
    workerId: number,
    job: StepJob,
    signal: Signal,
    entry: StepEntry,
    took: number,
  ): Promise<boolean | undefined>
  /** The steps of a job are being undone from now on, and why. */
  unwind(workerId: number, job: StepJob, why: string): Promise<boolean>
  /**
   * Begins the children of a step, or finds those that an earlier run has begun; the id of their batch, undefined when the
   * parent is not this worker's any more.
   */
  startChildren(workerId: number, parent: StepJob, plan: ChildrenPlan): Promise<string | undefined>
  /** Adds jobs, all or none, and those that follow them; returns the id of the batch. */
  startBatch(rows: readonly NewJob[], follow: Follow): Promise<string>
  batch(id: string): Promise<BatchStatus | undefined>
  /** The members of a batch in order, after a place. */
  members(batch: string, after: number, limit: number): Promise<Member[]>
  /** The children of a job in the order in which they were begun, after a place. */
  children(parent: string, after: ChildCursor, limit: number): Promise<(Child & ChildCursor)[]>
  /** The batches of children that end with this job and have not ended. */
  openBatches(parent: string): Promise<string[]>
  /** Jobs that failed or were cancelled and still have such children, at most 1,000. */
  deadParents(slot: number): Promise<string[]>
  stage(slot: number, limit: number): Promise<Staged>
  nextDue(slot: number): Promise<number | undefined>
  probeLanes(slot: number, gaps: readonly Gap[]): Promise<readonly LaneName[]>
  /** Since when the first job of each lane that has one of these names waits; all in the database's milliseconds. */
  laneAges(
    slot: number,
    lanes: readonly (LaneName & { readonly floor: number })[],
    names: readonly string[],
  ): Promise<{ now: number; lanes: readonly (LaneName & { since: number | undefined })[] }>

  registerWorker(info: WorkerInfo): Promise<number>
  beatWorker(id: number, running: number, state: 'running' | 'stopping'): Promise<boolean>
  /** Notes the suspect a worker is about to run (it was running when a worker died), undefined when it has ended. */
  markSuspect(workerId: number, id: string | undefined): Promise<void>
  endWorker(id: number): Promise<void>
  lookAfter(slot: number, workerId: number, held: readonly Held[]): Promise<Look[]>
  leasesOf(workerId: number): Promise<readonly { batch: number; slot: number; ids: string[] }[]>
  /** Gives back the jobs of claims whose answer this worker never got. */
  returnStrays(workerId: number, batches: readonly number[]): Promise<readonly LaneName[]>
  rescue(request: RescueRequest): Promise<Rescue>
  workers(limit: number): Promise<WorkerRecord[]>

  find(id: string): Promise<JobRecord | undefined>
  /** Why a ready or blocked job does not run, in words; undefined when it is only waiting for its turn. */
  whyWaiting(job: JobRecord): Promise<string | undefined>
  attempts(id: string): Promise<AttemptRecord[]>
  /** The job, its attempts, and its feed lines and steps after a place, all as of one moment. */
  readFeed(id: string, after: FeedPlace, limit: number): Promise<FeedSnapshot | undefined>
  /** Runs `work` in a transaction of this database. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Those of the ids that have ended, and those that are nowhere. */
  ended(ids: readonly string[]): Promise<{ ended: readonly Ended[]; missing: readonly string[] }>
  list(options: ListOptions): Promise<JobPage>
  /** How many jobs fit. */
  count(filter: JobFilter): Promise<number>

  cancel(id: string, reason: string): Promise<Cancelled>
  /** Dead and cancelled jobs run again, scheduled ones run now; the rest is left alone and left out of the answer. */
  redrive(ids: readonly string[]): Promise<Redriven>
  /** Adds a job like this one that has the finished steps before a place already. */
  fork(id: string, plan: ForkPlan): Promise<Fork>
  /** The steps of a job in the order in which they began. */
  steps(id: string): Promise<StepRecord[]>
  /** What the handler of a job, live or finished, has asked for. */
  history(id: string): Promise<HistoryRow[]>
  /** The undos of a job in the order in which they are carried out. */
  undos(id: string): Promise<UndoRecord[]>
  /** Notes what a person says of an undo that failed. */
  resolveUndo(id: string, step: string, how: 'retry' | 'skip' | 'done'): Promise<Resolved>
  /** Changes those of the jobs that no worker has; says of each what became of it. */
  change(ids: readonly string[], patch: Patch): Promise<Changed[]>

  /** Decides on up to `most` schedules that are due and carries it out, all or nothing; `own`: those whose code is here. */
  fireDue(
    request: { readonly own: readonly string[]; readonly most: number },
    plan: (due: readonly Standing[], now: Date) => Promise<readonly FiringPlan[]>,
  ): Promise<{ readonly taken: readonly string[]; readonly carried: Carried }>
  /** The same for one schedule, due or not; undefined when there is none of that id. */
  fireOne(id: string, plan: (standing: Standing, now: Date) => Promise<FiringPlan>): Promise<Carried | undefined>
  /** Milliseconds until the next schedule is due, undefined when none will be. */
  nextDueSchedule(own: readonly string[]): Promise<number | undefined>
  /** Writes schedules as they are given; `place` says where one stands that is new or has another rule. Returns those that differed. */
  saveSchedules(
    drafts: readonly ScheduleDraft[],
    zoneData: string,
    place: (draft: ScheduleDraft, difference: Difference) => NewState,
  ): Promise<string[]>
  /** Notes that this process has these schedules in its code. */
  seeSchedules(ids: readonly string[]): Promise<void>
  /** Computes anew what older zone data has made, at most 200 a call; returns how many. */
  renewZones(zoneData: string, renew: (row: ScheduleRow, now: Date) => NewState): Promise<number>
  schedules(id?: string): Promise<ScheduleRow[]>
  removeSchedule(id: string): Promise<boolean>
  /** The jobs of those of the instants that have fired. */
  /** The instant that a key stands for at a schedule, this one or now if it is new; undefined when it stands for another. */
  pin(schedule: string, key: string, at: Date | undefined): Promise<Date | undefined>
  firedAt(schedule: string, nominals: readonly Date[]): Promise<{ nominal: Date; job: string }[]>
  /** What a job, live or finished, knows of the schedule that made it. */
  firingOf(job: string): Promise<StoredFiring | undefined>
  firings(schedule: string, before: Date | undefined, limit: number): Promise<FiringRecord[]>
  /** The newest run of a schedule that completed; the output is JSON text. */
  lastSuccess(schedule: string): Promise<{ nominal: Date; at: Date; output: string | null } | undefined>

  /** A name for this database that no other has. */
  installation(): Promise<string>
  queues(): Promise<QueueRow[]>
  queueStatus(): Promise<QueueStatus[]>
  ensureQueues(names: readonly string[]): Promise<void>
  pauseQueue(name: string, reason: string | undefined, by: string | undefined): Promise<void>
  resumeQueue(name: string, by: string | undefined): Promise<void>
  define(rows: readonly DefinitionRow[]): Promise<void>

  /** The keys of which nothing runs until a person decides, of one job name or all; the oldest first, at most 1,000. */
  blockedKeys(name: string | undefined): Promise<BlockedKey[]>
  /** Lets the next job of a blocked key go; false when the key was not blocked. */
  unblockKey(name: string, key: string, by: string | undefined): Promise<boolean>
  /** The changes of a key by hand, newest first, at most 1,000. */
  keyHistory(name: string, key: string): Promise<SettingRow[]>
  /** Frees keys whose next in line was missed, folds counters; cheap, often. */
  /** Ends jobs that wait and should have started before now, at most so many; of how many it knew. */
  expire(slot: number, workerId: number, limit: number): Promise<Expired & { readonly more: boolean }>
  sweep(slot: number): Promise<readonly LaneName[]>
  /** Makes partitions, drops old history, vacuums where the server does not; seldom. */
  maintain(retention: Retention): Promise<{ partitions: number; rows: number }>

  notify(payload: string): Promise<void>
  listen(onHint: (payload: string) => void, onGap: () => void): void
  close(): Promise<void>
}

/** The slot of a job: the low 8 bits of its id. */
export function slotOf(id: string): number {
  return Number(BigInt(id) & 255n)
}

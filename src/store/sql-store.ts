import { groupBy } from '../core/group.ts'
import { type Connection, freePlans } from './connection.ts'
import { bounded, enqueueHere, enqueueIn } from './enqueue.ts'
import { migrate } from './migrate.ts'
import { openTransaction } from './transaction/own.ts'
import {
  batchStatus,
  children,
  deadParents,
  forgetEndedBatches,
  members,
  openBatches,
  startBatch,
  startChildren,
} from './queries/batches.ts'
import { boundUsage, countRejected, declareBounds, listBounds, mendBounds } from './queries/bounds.ts'
import { cancel } from './queries/cancel.ts'
import { changeIn } from './queries/change.ts'
import { claim } from './queries/claim.ts'
import { expire, findLate } from './queries/expire.ts'
import { appendFeed, type FeedPlace, type FeedSnapshot, readFeed, readSteps } from './queries/feed.ts'
import { fork } from './queries/fork.ts'
import { attempts, ended, find, missing } from './queries/find.ts'
import { pin } from './queries/pin.ts'
import { firedAt, firingHistory, firingOfJob, forgetFirings, lastSuccess, nextDueSchedule } from './queries/firings.ts'
import { history } from './queries/history.ts'
import { blockedKeys, sweepKeys, unblockKey } from './queries/keys.ts'
import { laneAges, probeLanes, queues } from './queries/lanes.ts'
import { declareLimits, limitHeads, listLimits, setBreaker } from './queries/limit-settings.ts'
import { admit, letIn, mendLimiters, mendPermits, slowDown } from './queries/limits.ts'
import { forgetLocks, freeLock, listLocks, renewLocks, takeLock } from './queries/locks.ts'
import { countJobs, isSelective, type JobFilter, type JobPage, list, type ListOptions } from './queries/list.ts'
import { define, ensureQueues, installation, pauseQueue, queueStatus, resumeQueue } from './queries/queues.ts'
import { keyHistory, setRule, settingHistory } from './queries/settings.ts'
import { lookAtSteps, lookAtUndos } from './queries/look.ts'
import { redrive, type Redriven, runNow } from './queries/redrive.ts'
import { resolveUndo } from './queries/resolve.ts'
import { whyWaiting } from './queries/why.ts'
import { rescue, returnStrays } from './queries/rescue.ts'
import {
  forgetFailedSteps,
  loadSteps,
  saveSteps,
  type StepEntry,
  type StepJob,
  type StepResult,
  unwind,
  writeStepWith,
} from './queries/steps.ts'
import { sendSignal, sendSignalOnce, takeSignal, waitingSignals } from './queries/signals.ts'
import { nextDue, stage } from './queries/stage.ts'
import {
  extendPartitions,
  foldCounters,
  forgetFloors,
  forgetOrphans,
  forgetTokens,
  prune,
  type Retention,
} from './queries/upkeep.ts'
import {
  beatWorker,
  endWorker,
  forgetWorkers,
  leasesOf,
  listWorkers,
  lookAfter,
  markSuspect,
  registerWorker,
} from './queries/workers.ts'
import { listSchedules, removeSchedule, seeSchedules } from './queries/schedules.ts'
import { setAside } from './queries/set-aside.ts'
import { fireDue, fireOne, renewZones, saveSchedules } from './scheduling.ts'
import { settle } from './settling.ts'
import { slotOf, type Store } from './store.ts'
import { transactionOf } from './transaction/transaction.ts'

/** Ended workers stay visible for a day. */
const workerMemory = 24 * 3_600_000

/** The store over any connection: composes the statements, adds transactions where one operation needs several. */
export function createStore(connection: Connection): Store {
  const slots = async () => [...new Set([0, ...(await queues(connection)).map((queue) => queue.slot)])]
  return {
    kind: connection.kind,
    exclusive: connection.traits.exclusive,
    migrate: () => migrate(connection),

    enqueue: (jobs, tx) => bounded(tx ? enqueueIn(tx, jobs) : enqueueHere(connection, jobs)),
    claim: (request) => claim(connection, request),
    setAside: (request) => setAside(connection, request),
    settle: (scope, endings, returns) => settle(connection, scope, endings, returns),
    appendFeed: (slot, entries) => appendFeed(connection, slot, entries),
    saveSteps: (slot, workerId, writes) => saveSteps(connection, slot, workerId, writes),
    stepTransaction: (workerId, job, entry, work, begin, took) =>
      stepTransaction(connection, workerId, job, entry, work, begin, took),
    loadSteps: (slot, ids) => loadSteps(connection, slot, ids),
    sendSignal: (id, topic, data) => sendSignal(connection, slotOf(id), id, topic, data),
    sendSignalOnce: (id, topic, data, use) => sendSignalOnce(connection, slotOf(id), id, topic, data, use),
    waitingSignals: (job, topic) => waitingSignals(connection, job, topic),
    takeSignal: (workerId, job, signal, entry, took) => takeSignal(connection, workerId, job, signal, entry, took),
    unwind: (workerId, held, why) => unwind(connection, workerId, held, why),
    admit: (request) => admit(connection, request),
    letIn: (most) => letIn(connection, most),
    slowDown: (workerId, job, ms, name) => slowDown(connection, workerId, job, ms, name),
    limitHeads: () => limitHeads(connection),
    declareLimits: (limits, without) => declareLimits(connection, limits, without),
    setRule: (kind, name, rule, by) => setRule(connection, kind, name, rule, by),
    setBreaker: (name, open, reason, by) => setBreaker(connection, name, open, reason, by),
    limits: (name) => listLimits(connection, name),
    declareBounds: (names, plans) => declareBounds(connection, names, plans),
    bounds: (name) => listBounds(connection, name),
    boundUsage: (name, limit) => boundUsage(connection, name, limit),
    countRejected: (counts) => countRejected(connection, counts),
    settingHistory: (kind, name) => settingHistory(connection, kind, name),
    takeLock: (take) => takeLock(connection, take),
    renewLocks: (calls) => renewLocks(connection, calls),
    freeLock: (call) => freeLock(connection, call),
    locks: () => listLocks(connection),
    stage: (slot, limit) => stage(connection, slot, limit),
    nextDue: (slot) => nextDue(connection, slot),
    probeLanes: (slot, gaps) => probeLanes(connection, slot, gaps),
    laneAges: (slot, lanes, names) => laneAges(connection, slot, lanes, names),

    registerWorker: (info) => registerWorker(connection, info),
    beatWorker: (id, running, state) => beatWorker(connection, id, running, state),
    markSuspect: (workerId, id) => markSuspect(connection, workerId, id),
    endWorker: (id) => endWorker(connection, id),
    lookAfter: (slot, workerId, held) => lookAfter(connection, slot, workerId, held),
    leasesOf: (workerId) => leasesOf(connection, workerId),
    returnStrays: (workerId, batches) => connection.transaction((tx) => returnStrays(tx, workerId, batches)),
    rescue: (request) => connection.transaction((tx) => rescue(tx, request)),
    workers: (limit) => listWorkers(connection, limit),

    startChildren: (workerId, parent, plan) =>
      bounded(connection.transaction((tx) => startChildren(tx, workerId, parent, plan))),
    startBatch: (rows, follow) => bounded(connection.transaction((tx) => startBatch(tx, rows, follow))),
    batch: (id) => batchStatus(connection, slotOf(id), id),
    members: (id, after, limit) => members(connection, id, after, limit),
    children: (parent, after, limit) => children(connection, slotOf(parent), parent, after, limit),
    openBatches: (parent) => openBatches(connection, slotOf(parent), parent),
    deadParents: (slot) => deadParents(connection, slot),

    find: (id) => find(connection, slotOf(id), id),
    whyWaiting: (job) => whyWaiting(connection, slotOf(job.id), job),
    attempts: (id) => attempts(connection, slotOf(id), id),
    readFeed: (id, after, limit) => feedSnapshot(connection, id, after, limit),
    transaction: (work) => connection.transaction((tx) => work(openTransaction(tx))),
    ended: (ids) => endedBySlot(connection, ids),
    list: async (options) => listSafely(connection, await slots(), options),
    count: async (filter) => countSafely(connection, await slots(), filter),

    cancel: (id, reason) => connection.transaction((tx) => cancel(tx, slotOf(id), id, reason)),
    redrive: (ids) => redriveBySlot(connection, ids),
    fork: (id, plan) => fork(connection, slotOf(id), id, plan),
    steps: (id) => lookAtSteps(connection, slotOf(id), id),
    history: (id) => history(connection, slotOf(id), id),
    undos: (id) => lookAtUndos(connection, slotOf(id), id),
    resolveUndo: (id, step, how) => connection.transaction((tx) => resolveUndo(tx, slotOf(id), id, step, how)),
    change: (ids, patch) => connection.transaction((tx) => changeIn(openTransaction(tx), ids, patch)),

    fireDue: (request, plan) => fireDue(connection, request, plan),
    fireOne: (id, plan) => fireOne(connection, id, plan),
    nextDueSchedule: (own) => nextDueSchedule(connection, own),
    saveSchedules: (drafts, zoneData, place) => saveSchedules(connection, drafts, zoneData, place),
    seeSchedules: (ids) => seeSchedules(connection, ids),
    renewZones: (zoneData, renew) => renewZones(connection, zoneData, renew),
    schedules: (id) => listSchedules(connection, id),
    removeSchedule: (id) => removeSchedule(connection, id),
    pin: (schedule, key, at) => pin(connection, schedule, key, at),
    firedAt: (id, nominals) => firedAt(connection, id, nominals),
    firingOf: (job) => firingOfJob(connection, slotOf(job), job),
    firings: (id, before, limit) => firingHistory(connection, id, before, limit),
    lastSuccess: (id) => lastSuccess(connection, id),

    installation: () => installation(connection),
    queues: () => queues(connection),
    queueStatus: () => queueStatus(connection),
    ensureQueues: (names) => ensureQueues(connection, names),
    pauseQueue: (name, reason, by) => pauseQueue(connection, name, reason, by),
    resumeQueue: (name, by) => resumeQueue(connection, name, by),
    define: (rows) => define(connection, rows),

    async expire(slot, workerId, limit) {
      const ids = await findLate(connection, slot, limit)
      if (ids.length === 0) return { jobs: [], woken: [], more: false }
      const expired = await connection.transaction((tx) => expire(tx, slot, workerId, ids))
      return { ...expired, more: expired.jobs.length === limit }
    },
    blockedKeys: async (name) =>
      (await Promise.all((await slots()).map((slot) => blockedKeys(connection, slot, name)))).flat(),
    keyHistory: (name, key) => keyHistory(connection, name, key),
    unblockKey: (name, key, by) => unblockKey(connection, name, key, by),
    async sweep(slot) {
      await foldCounters(connection)
      const freed = await connection.transaction((tx) => sweepKeys(tx, slot))
      return [...freed, ...(await mendPermits(connection, slot))]
    },
    maintain: async (retention) => maintain(connection, await slots(), retention),

    notify: (payload) => connection.notify(payload),
    listen: (onHint, onGap) => connection.listen(onHint, onGap),
    close: () => connection.close(),
  }
}

async function listSafely(connection: Connection, slots: readonly number[], options: ListOptions): Promise<JobPage> {
  if (!isSelective(options)) return list(connection, slots, options)
  return connection.transaction(async (tx) => {
    await tx.script(freePlans)
    return list(tx, slots, options)
  })
}

function countSafely(connection: Connection, slots: readonly number[], filter: JobFilter): Promise<number> {
  return connection.transaction(async (tx) => {
    if (isSelective(filter)) await tx.script(freePlans)
    return countJobs(tx, slots, filter)
  })
}

/** Three reads of one moment: events that come between them would get places before ones that were told already. */
function feedSnapshot(
  connection: Connection,
  id: string,
  after: FeedPlace,
  limit: number,
): Promise<FeedSnapshot | undefined> {
  const slot = slotOf(id)
  return connection.transaction(async (tx) => {
    await tx.script('set transaction isolation level repeatable read, read only')
    const job = await find(tx, slot, id)
    if (!job) return undefined
    const lines = await readFeed(tx, slot, id, after, limit)
    const steps = await readSteps(tx, slot, id, after.step ?? '0', limit)
    return { job, attempts: await attempts(tx, slot, id), lines, steps }
  })
}

async function stepTransaction(
  connection: Connection,
  workerId: number,
  job: StepJob,
  entry: StepEntry,
  work: (tx: unknown) => Promise<string | null>,
  begin: ((work: (tx: unknown) => Promise<void>) => Promise<unknown>) | undefined,
  took: () => number,
): Promise<StepResult | undefined> {
  if (!begin) {
    return connection.transaction((own) => {
      const tx = openTransaction(own)
      return writeStepWith(tx, workerId, job, entry, () => work(tx), took)
    })
  }
  let result: StepResult | undefined
  await begin(async (tx) => {
    result = await writeStepWith(transactionOf(tx), workerId, job, entry, () => work(tx), took)
  })
  return result
}

async function endedBySlot(connection: Connection, ids: readonly string[]): ReturnType<Store['ended']> {
  const parts = await Promise.all(
    [...groupBy(ids, slotOf)].map(async ([slot, own]) => {
      const found = await ended(connection, slot, own)
      const known = new Set(found.map((row) => row.id))
      const rest = own.filter((id) => !known.has(id))
      return { ended: found, missing: rest.length > 0 ? await missing(connection, slot, rest) : [] }
    }),
  )
  return { ended: parts.flatMap((part) => part.ended), missing: parts.flatMap((part) => part.missing) }
}

async function redriveBySlot(connection: Connection, ids: readonly string[]): Promise<Redriven> {
  return connection.transaction(async (tx) => {
    const parts: Redriven[] = []
    for (const [slot, own] of groupBy(ids, slotOf)) {
      await forgetFailedSteps(tx, slot, own)
      parts.push(await redrive(tx, slot, own), await runNow(tx, slot, own))
    }
    return { ids: parts.flatMap((part) => part.ids), woken: parts.flatMap((part) => part.woken) }
  })
}

async function maintain(
  connection: Connection,
  slots: readonly number[],
  retention: Retention,
): Promise<{ partitions: number; rows: number }> {
  await extendPartitions(connection)
  const gone = await prune(connection, slots, retention)
  for (const slot of slots) {
    await mendLimiters(connection, slot)
    await forgetFloors(connection, slot)
    await forgetOrphans(connection, slot)
    await forgetTokens(connection, slot)
    await forgetEndedBatches(connection, slot, retention.done)
  }
  await mendBounds(connection)
  await forgetWorkers(connection, workerMemory)
  await forgetLocks(connection)
  await forgetFirings(connection, Math.max(retention.done, workerMemory))
  if (!connection.traits.vacuums)
    await connection.script(
      'vacuum analyze legwork.job, legwork.lease, legwork.tally, legwork.key_holder, legwork.count',
    )
  return gone
}

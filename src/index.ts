export { legwork } from './open.ts'
export { timetable } from './core/calendar/timetable.ts'
export { job } from './core/definition.ts'
export { schedule } from './core/schedule.ts'
export { Abort, RetryAfter, Snooze, StepError } from './core/outcome.ts'
export { errorCodes, LegworkError } from './core/errors.ts'
export { jsonSchemaOf } from './core/codec.ts'
export { version } from './version.ts'

export type {
  BatchOptions,
  BulkKind,
  BulkOptions,
  BulkRef,
  BulkResult,
  CloseOptions,
  EnqueueOptions,
  Legwork,
  LegworkOptions,
  QueueOptions,
  QueueWork,
  WorkOptions,
} from './api.ts'
export type { DstPolicy } from './core/calendar/clock-rule.ts'
export type { Dialect } from './core/calendar/cron.ts'
export type {
  CalendarField,
  CalendarFields,
  CalendarRules,
  InstantRules,
  TimeRules,
  Times,
  TimetableSpec,
} from './core/calendar/spec.ts'
export type { Timetable, TimetableContext } from './core/calendar/timetable.ts'
export type { Callable, JobCall, RunAll, RunAllOptions, RunChild, RunOptions, Settled } from './core/call.ts'
export type { Bounds, BoundStatus, BoundUsage } from './bounds.ts'
export {
  batch,
  type BatchCall,
  type BatchHandlerOptions,
  type BatchItem,
  type BatchOutcomes,
} from './core/batch-handler.ts'
export type { BoundOptions, BoundRule, WhenFull } from './core/bound.ts'
export type { Keys, KeySetting } from './keys.ts'
export type { ChangedBy, PauseSetting, SettingChange } from './changes.ts'
export type { Breakers, BreakerStatus, Limits, LimitStatus } from './limits.ts'
export type { Schema, Wire } from './core/codec.ts'
export type { JobContext, JobFacts, JobLog, Json, LogLevel, SlowDown } from './core/context.ts'
export type { Change } from './core/change.ts'
export type { AnyJob, Contract, Handler, JobDefinition, JobOptions, KeyFailure } from './core/definition.ts'
export type {
  BeginOptions,
  Checkpoint,
  DurableContext,
  SignalTokenOptions,
  Step,
  StepFacts,
  StepName,
  StepOptions,
  StepTransaction,
  UndoFacts,
} from './core/durable.ts'
export type { Duration } from './core/duration.ts'
export type { ErrorCode, SerializedError } from './core/errors.ts'
export type { EngineEvents, EventName, JobName } from './core/events.ts'
export type { DeadReason } from './core/outcome.ts'
export type { Firing, FiringKind, LastSuccess, ScheduleFacts } from './core/firing.ts'
export type { WallTime } from './core/instant.ts'
export type { Priority } from './core/priority.ts'
export type { HeldLock, Lead, Leader, LeaderOptions, LockOptions, TakeLock } from './core/lock.ts'
export type {
  CatchUp,
  Overlap,
  Schedule,
  ScheduledInput,
  ScheduledJobOptions,
  ScheduleOptions,
  SchedulePolicies,
} from './core/schedule.ts'
export type { BackfillOptions, PauseOptions, ScheduleStatus, Schedules } from './schedule-api.ts'
export type { BreakerOptions, Limit, LimitOptions, LimitRule, Rate, RateOptions } from './core/limit.ts'
export type { Backoff, RetryOptions } from './core/retry.ts'
export type { Size } from './core/size.ts'
export type { FinalState, State } from './core/states.ts'
export type { Debounce, Throttle, Unique, UniqueOptions } from './core/unique.ts'
export type { ForkOptions } from './live/fork.ts'
export type { FeedOptions, JobEvent } from './live/feed.ts'
export type { BatchRef } from './live/batch.ts'
export type { HistoryChild, HistoryStep, JobHistory } from './store/history.ts'
export type { JobRef, ResultOptions } from './live/ref.ts'
export type { UndoResolution } from './live/undos.ts'
export type { DatabaseOption } from './store/open.ts'
export type { BatchStatus, Child } from './store/queries/batches.ts'
export type { AttemptRecord, JobRecord } from './store/queries/find.ts'
export type { FiringRecord } from './store/queries/firings.ts'
export type { JobFilter, JobPage, ListOptions } from './store/queries/list.ts'
export type { StepRecord, UndoRecord } from './store/queries/look.ts'
export type { BlockedKey } from './store/queries/keys.ts'
export type { LockStatus } from './store/queries/locks.ts'
export type { QueueStatus } from './store/queries/queues.ts'
export type { WorkerRecord } from './store/queries/workers.ts'
export type { Transaction } from './store/transaction/transaction.ts'
export type { Middleware } from './worker/executor.ts'

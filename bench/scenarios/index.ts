import type { Scenario } from '../scenario.ts'
import { add } from './add.ts'
import { backlog } from './backlog.ts'
import { batches } from './batches.ts'
import { bulk } from './bulk.ts'
import { cost } from './cost.ts'
import { drain } from './drain.ts'
import { embedded } from './embedded.ts'
import { fan } from './fan.ts'
import { growth } from './growth.ts'
import { keys } from './keys.ts'
import { limits } from './limits.ts'
import { pickup } from './pickup.ts'
import { pinned } from './pinned.ts'
import { schedules } from './schedules.ts'
import { sleepers } from './sleepers.ts'
import { steady } from './steady.ts'
import { steps } from './steps.ts'

/** In the order of the report. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  [
    drain,
    steady,
    add,
    bulk,
    pickup,
    pinned,
    backlog,
    keys,
    limits,
    batches,
    fan,
    cost,
    embedded,
    growth,
    steps,
    sleepers,
    schedules,
  ].map((scenario) => [scenario.name, scenario]),
)

import type { Scenario } from '../scenario.ts'
import { add } from './add.ts'
import { bulk } from './bulk.ts'
import { cost } from './cost.ts'
import { drain } from './drain.ts'

/** In the order of the report. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  [drain, add, bulk, cost].map((scenario) => [scenario.name, scenario]),
)

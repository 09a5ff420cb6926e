import type { Route } from './route.ts'
import { trigger } from './trigger.ts'

export const routes: readonly Route[] = [
  { method: 'POST', name: '/schedules/:id/trigger', path: /\/schedules\/([^/]+)\/trigger\/?$/, answer: trigger },
]

import type { Classifier } from '../core/classifier.ts'
import type { Clock } from '../core/clock.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'

export { type CallSettings, NO_SETTINGS } from '../model/call-settings.ts'

import type { MeshEvents } from '../model/events.ts'
import type { HeaderEditSettings } from '../model/route-settings.ts'
import type { CallPolicy } from '../plan/call-policy.ts'
import type { Choice } from '../plan/choice.ts'
import type { MirrorCounters } from '../plan/route-counters.ts'
import type { PlannedRule } from '../plan/route-plan.ts'
import type { ServicePlan } from '../plan/service-plan.ts'
import type { Connections } from './connections.ts'
import type { DispatchOptions } from './handler.ts'
import type { Body, ReplayMemory } from './replay-body.ts'
import type { Undici } from './undici.ts'
import type { Wire } from './wire.ts'

/** What exchanges of one mesh share. `undici` and `connections` are there once undici was loaded. */
export interface Engine {
  readonly clock: Clock
  readonly time: TimerWheel
  readonly classifier: Classifier
  readonly replayMemory: ReplayMemory
  undici: Undici | undefined
  connections: Connections | undefined
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
  /** Whether calls say in their headers how long they may take, and what they are made beneath. */
  readonly tells: boolean
  /** Whether somebody else puts the trace into the requests that leave this process: two of them would be none. */
  traced(): boolean
  /** Where that was written which errors call `from`; undefined where nobody knows. */
  placeOf(from: string | undefined): string | undefined
  /** What a gate or a hook threw; logged, never thrown on. */
  report(what: string, error: unknown): void
}

/** Where a call goes: its service, and how endpoints of it are connected for this URL's origin. */
export interface Target {
  readonly plan: ServicePlan
  /** Whom its calls choose among. */
  readonly choice: Choice
  readonly wire: Wire
  /** Authority of the URL. */
  readonly host: string
  /** Nobody answers under this name any more, and yet it is not for others to answer. */
  readonly gone: boolean
  /** Undefined where a service is called by its own name. */
  readonly ruled: Ruled | undefined
  /** It gets copies of calls, which are counted here and not by their service. */
  readonly shadow: MirrorCounters | undefined
}

/** What a rule adds to the calls that it sends to a service. */
export interface Ruled {
  readonly rule: PlannedRule
  readonly policy: CallPolicy
  readonly request: readonly HeaderEditSettings[] | undefined
  readonly response: readonly HeaderEditSettings[] | undefined
  /** Sends copies of a call that was admitted; undefined where nobody gets any. */
  readonly mirror: ((options: DispatchOptions, body: Body | undefined) => void) | undefined
}

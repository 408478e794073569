import type { Call } from '../../core/call.ts'
import type { CallPolicy } from '../call-policy.ts'
import type { Choice, Place } from '../choice.ts'
import type { Choosable } from '../service-balancing.ts'
import type { ServicePlan } from '../service-plan.ts'
import type { Asked } from './asked.ts'

/** Such a call at one service, as every part of the explanation looks at it. Whoever does changes nothing and draws nothing. */
export interface Subject {
  readonly plan: ServicePlan
  /** The service's own, or what a rule says instead. */
  readonly policy: CallPolicy
  readonly asked: Asked
  readonly call: Call
  /** Its lane, where the service has some. */
  readonly colour: string | undefined
  /** Whom the call may choose among, and where in it a first try goes. */
  readonly choice: Choice
  readonly place: Place
  /** What a first try chooses among; the balancer is the service's, since whoever looks makes none. */
  readonly part: Choosable
  /** The name only was one of the service once: nobody is called under it. */
  readonly gone: boolean
  /** The resource behind a section of the policy. */
  from(section: string): string
}

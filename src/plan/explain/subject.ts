import type { Call } from '../../core/call.ts'
import type { CallPolicy } from '../call-policy.ts'
import type { Part } from '../service-balancing.ts'
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
  /** What a first try chooses among. */
  readonly part: Part
  /** The name only was one of the service once: nobody is called under it. */
  readonly gone: boolean
  /** The resource behind a section of the policy. */
  from(section: string): string
}

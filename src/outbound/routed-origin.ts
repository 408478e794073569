import { canonicalHost, splitHost } from '../core/host.ts'
import type { Random } from '../core/random.ts'
import { withRule } from '../plan/call-policy.ts'
import type { PlannedRule } from '../plan/route-plan.ts'
import type { RouteMatch } from '../plan/route-table.ts'
import type { ServicePlan } from '../plan/service-plan.ts'
import type { CompiledBackend } from '../routing/compiled-rule.ts'
import type { Engine, Ruled, Target } from './engine.ts'
import type { DispatchOptions } from './handler.ts'
import type { Origin } from './origin.ts'
import type { Body } from './replay-body.ts'
import { sendShadow, shadowAuthority } from './shadow.ts'
import type { Wire } from './wire.ts'

/** What the targets of a rule are made with. */
export interface RoutedGround {
  readonly engine: Engine
  readonly random: Random
  service(name: string): ServicePlan | undefined
  /** How `plan` is reached for an origin; the same one as before where nothing about it changed. */
  wireFor(key: string, origin: Origin, plan: ServicePlan): Wire
}

/** One origin that has a route: where each backend of each rule is for it. Made once, so that a call looks it up and makes nothing. */
export class RoutedOrigin {
  readonly origin: Origin
  readonly match: RouteMatch
  private readonly ground: RoutedGround
  private readonly targets = new Map<CompiledBackend, Target>()

  constructor(origin: Origin, match: RouteMatch, ground: RoutedGround) {
    this.origin = origin
    this.match = match
    this.ground = ground
  }

  /** Where a backend is; undefined while nobody serves it. */
  target(rule: PlannedRule, backend: CompiledBackend): Target | undefined {
    const known = this.targets.get(backend)
    if (known !== undefined) return known
    const plan = this.ground.service(backend.service)
    if (plan === undefined) return undefined
    const target = this.make(rule, backend, plan)
    this.targets.set(backend, target)
    return target
  }

  private make(rule: PlannedRule, backend: CompiledBackend, plan: ServicePlan): Target {
    const { origin, ground } = this
    const ruled: Ruled = {
      rule,
      policy: withRule(plan.callPolicy, rule.policy, plan, ground.random),
      request: backend.request,
      response: backend.response,
      mirror: this.mirrorOf(rule),
    }
    const seen = rewritten(origin, rule.settings.rewrite?.host)
    const choice = plan.choices.of(backend.selection, rule.from)
    const wire = ground.wireFor(keyOf(seen, plan, ''), seen, plan)
    return { plan, choice, wire, host: seen.authority, gone: false, ruled, shadow: undefined }
  }

  /** What sends copies for a rule, each mirror by its own draw; whatever goes wrong there is none of the call's business. */
  private mirrorOf({ settings, counters, from }: PlannedRule): Ruled['mirror'] {
    const { mirror } = settings
    if (mirror.length === 0) return undefined
    const { engine, random } = this.ground
    const seen = rewritten(this.origin, settings.rewrite?.host)
    const shadowed = { ...seen, authority: shadowAuthority(seen.authority) }
    return (options: DispatchOptions, body: Body | undefined) => {
      if (options.upgrade != null || options.method === 'CONNECT') return
      for (const each of mirror) {
        const { service, percent } = each
        if (random() * 100 >= percent) continue
        const counted = counters.mirror(service)
        const send = (copied: unknown): void => {
          try {
            const plan = this.ground.service(service)
            if (plan === undefined || (body !== undefined && copied === undefined)) {
              counted.skipped++
              return
            }
            const wire = this.ground.wireFor(keyOf(shadowed, plan, 'shadow'), shadowed, plan)
            const choice = plan.choices.of(each, from)
            const target: Target = { plan, choice, wire, host: shadowed.authority, gone: false, ruled: undefined, shadow: counted }
            sendShadow(engine, target, options, copied, body?.headers)
          } catch (error) {
            counted.skipped++
            engine.report('mirror', error)
          }
        }
        if (body === undefined) send(undefined)
        else body.copy(send)
      }
    }
  }
}

/** The origin as a service sees it whose host is written anew. */
function rewritten(origin: Origin, host: string | undefined): Origin {
  if (host === undefined) return origin
  const { host: name, port } = splitHost(host)
  return { secure: origin.secure, host: canonicalHost(name), port: port ?? origin.port, authority: host }
}

function keyOf({ secure, authority, port }: Origin, plan: ServicePlan, what: string): string {
  return `${secure ? 'https' : 'http'} ${authority} ${port} ${plan.name} ${what}`
}

import type { EndpointSet } from '../../balancing/endpoint-set.ts'
import type { Explanation } from '../../model/explanation.ts'
import { formatProvenance } from '../../model/resources.ts'
import type { CallPolicy } from '../call-policy.ts'
import type { Choice } from '../choice.ts'
import { explainChoice } from '../choice-words.ts'
import type { HostMatch } from '../host-table.ts'
import type { Plan } from '../plan.ts'
import { followRedirects, type Redirected } from '../redirect.ts'
import type { ServicePlan } from '../service-plan.ts'
import { addedOnTheWay } from './added.ts'
import { type Asked, callOf, headerIn } from './asked.ts'
import { explainedCandidates } from './candidates.ts'
import { explainedDial, explainedProtocol, explainedTls } from './dial.ts'
import { explainedGates } from './gates.ts'
import { explainedHedge } from './hedges.ts'
import { outline } from './outline.ts'
import { explainedRetry } from './retries.ts'
import { explainedSafeguards } from './safeguards.ts'
import { standInsOf } from './stand-ins.ts'
import type { Subject } from './subject.ts'
import { explainedTimeouts } from './timeouts.ts'
import { withWishes } from './wishes.ts'

/** Says what would happen now to a request for a host that `found` answers, redirects of traffic policies included. */
export function explainFound(plan: Plan, { plan: first, gone, match }: HostMatch, asked: Asked): Explanation {
  const led: Redirected = gone ? { plan: first, by: [] } : followRedirects(first, asked.method, asked.path, (name) => plan.service(name))
  return explainLed(led, first, asked, { match, gone })
}

/** What is known of the way to a service besides the service. */
interface Way {
  /** The name or pattern that the host matched. */
  readonly match: string
  readonly gone: boolean
  /** What the rule says that leads there; the service's own without it. */
  readonly policy?: CallPolicy
  /** Whom it lets the call choose among; all endpoints without it. */
  readonly choice?: Choice
}

/** Says what would happen now to a request at the service where traffic policies lead it, or at `first` where they lead it nowhere. */
export function explainLed(led: Redirected, first: ServicePlan, asked: Asked, way: Way): Explanation {
  if (!('problem' in led)) {
    const said = led.by.map(({ name, rule, from }) => `redirected to ${rule.redirectTo} by the policy ${name} (${from})`)
    // What a rule says holds for the service that it names, and not for another that the call is led to.
    const { match, gone } = way
    return explainService(led.plan, asked, led.plan === first ? way : { match, gone }, said)
  }
  const { problem, by, code } = led
  return { ...explainService(first, asked, way, [`${problem}: the call is refused (${by.from})`]), error: code }
}

function explainService(plan: ServicePlan, asked: Asked, way: Way, said: readonly string[]): Explanation {
  const subject = subjectOf(plan, asked, way)
  const { lanes, name } = plan
  const { colour, policy } = subject
  const candidates = explainedCandidates(subject)
  const from = Object.keys(plan.snapshot.from).filter((part) => !part.includes('.'))
  const route = { host: asked.host, service: name, match: way.match, decision: 'service' as const }
  const lane = lanes === undefined ? [] : [`${(subject.place.lanes ?? lanes).describe(colour)} (${subject.from('lanes')})`]
  return outline(route, {
    backends: [{ service: name, share: 1 }],
    ...(Object.keys(asked.wishes).length === 0 ? {} : { call: asked.wishes }),
    candidates,
    ...explainChoice(subject.choice, subject.call, colour, asked.wishes.metadata?.from),
    ...subsetOf(plan),
    ...(way.gone ? {} : prioritiesOf(subject.part.set, subject.part.balancer.keyed)),
    ...(plan.changing ? { changing: 'newer endpoints are known, and taken over within 50ms; until then calls choose among these' } : {}),
    gates: explainedGates(subject),
    safeguards: explainedSafeguards(subject),
    timeouts: explainedTimeouts(subject),
    retry: explainedRetry(subject),
    ...explainedHedge(subject),
    rewrites: [...said, ...lane, ...addedOnTheWay(subject)],
    tls: explainedTls(subject),
    protocol: explainedProtocol(subject),
    dial: explainedDial(subject),
    from: Object.fromEntries(from.map((part) => [part, policy.from(part) ?? subject.from(part)])),
    ...(candidates.some(({ taken }) => taken) ? {} : { error: 'MESH_NO_ENDPOINT' }),
  })
}

function subjectOf(plan: ServicePlan, asked: Asked, { gone, ...way }: Way): Subject {
  const { settings } = asked
  const policy = withWishes(way.policy ?? plan.callPolicy, asked)
  const { timeoutMs, headTimeoutMs } = policy.timeouts
  const led = way.choice ?? plan.choices.whole
  const choice = settings.metadata === undefined ? led : led.narrowed(settings.metadata)
  const call = callOf(plan.name, asked, timeoutMs ?? headTimeoutMs)
  const lane = plan.lanes?.header
  const colour = lane === undefined ? undefined : (headerIn(asked.headers, lane) ?? settings.within?.handedOn(lane))
  const place = choice.place(call, colour, asked.now)
  const { balancer } = plan.balancing
  const from = (section: string): string => {
    const provenance = plan.snapshot.from[section]
    return policy.from(section) ?? (provenance === undefined ? '' : formatProvenance(provenance))
  }
  return { plan, policy, asked, call, colour, choice, place, part: { set: place.chosen.set, balancer }, gone, from }
}

function subsetOf(plan: ServicePlan): Pick<Explanation, 'subset'> {
  const { balancing, set } = plan
  if (balancing.offered <= set.all.length) return {}
  const { size, offered } = balancing
  const because = `subset: this process uses ${size} of each priority, other processes others`
  const standIns = [...standInsOf(plan)].map(([{ address }, standsInFor]) => ({ address, for: standsInFor }))
  return { subset: { size, of: offered, because, ...(standIns.length === 0 ? {} : { standIns }) } }
}

/** Nothing where all endpoints are alike and in order: then there is nothing to say. */
function prioritiesOf(set: EndpointSet, keyed: boolean | undefined): Pick<Explanation, 'priorities'> {
  const levels = set.levels(keyed)
  const [only, second] = levels
  const plain = only === undefined || (second === undefined && only.where === undefined && only.healthy === only.endpoints)
  return plain ? {} : { priorities: levels }
}

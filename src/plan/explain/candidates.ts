import { formatDuration } from '../../core/duration.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { ExplainedCandidate } from '../../model/explanation.ts'
import { endpointState } from '../endpoint-state.ts'
import { standInsOf } from './stand-ins.ts'
import type { Subject } from './subject.ts'

/** What is said of one endpoint beside its address. */
interface Look {
  readonly endpoint: Endpoint
  readonly subject: Subject
  /** As it would be for a call now: an ejection whose time is over is over, though nobody has looked. */
  readonly state: ExplainedCandidate['state']
  readonly reason: string | undefined
  readonly taken: boolean
  /** Its metadata are those that the call asks for, and its lane is that of the call. */
  readonly selected: boolean
  readonly inLane: boolean
  /** The address of the one that it stands in for; null where nobody needs it any more, undefined where it stands in for nobody. */
  readonly standsInFor: string | null | undefined
}

/** Every endpoint of the service, whether a first try may go there, with what chance, and why. A name that only was one of the service leads to nobody. */
export function explainedCandidates(subject: Subject): ExplainedCandidate[] {
  const { plan, part, place, gone, asked } = subject
  if (gone) return []
  const usable = new Set(part.set.usable)
  const selected = new Set(place.within.all)
  const lane = part.set.all === place.within.all ? selected : new Set(part.set.all)
  const certain = certainOf(subject)
  const shares = certain === undefined ? sharesOf(subject) : undefined
  const standIns = standInsOf(plan)
  return plan.set.all.map((endpoint) => {
    const taken = usable.has(endpoint) || endpoint === certain?.endpoint
    const look: Look = {
      endpoint,
      subject,
      taken,
      selected: selected.has(endpoint),
      inLane: lane.has(endpoint),
      standsInFor: standIns.get(endpoint),
      ...endpointState(endpoint, asked.now),
    }
    const share = certain === undefined ? shares?.get(endpoint) : endpoint === certain.endpoint ? 1 : 0
    const known = share ?? (taken ? undefined : 0)
    const why = becauseOf(look)
    const because = endpoint === certain?.endpoint ? `this request goes here, ${certain.why}: ${why}` : why
    return { address: endpoint.address, state: look.state, taken, ...(known === undefined ? {} : { share: rounded(known) }), because }
  })
}

/** Where a first try goes for certain, if anywhere. The same order as in a pick: session, probe, key. */
function certainOf({ plan, call, part, asked }: Subject): { readonly endpoint: Endpoint; readonly why: string } | undefined {
  const { balancing } = plan
  const own = balancing.sessionOf(call)
  if (own !== undefined && (part.set.all.includes(own) || balancing.binds(call))) return { endpoint: own, why: 'by its session' }
  if (balancing.binds(call)) return undefined
  const probed = part.set.foreseeProbe(call, asked.now)
  if (probed !== undefined) return { endpoint: probed, why: 'as its probe' }
  const keyed = part.set.foresee(part.balancer, call)
  const { hashKey } = asked.wishes
  return keyed === undefined ? undefined : { endpoint: keyed, why: hashKey === undefined ? 'by its key' : `by the key of ${hashKey.from}` }
}

function sharesOf({ plan, call, part, asked }: Subject): ReadonlyMap<Endpoint, number> | undefined {
  // The endpoint of a strict session is gone: nobody gets the call.
  if (plan.balancing.binds(call)) return new Map()
  // Whom a limit passes over, others get the calls of.
  if (part.set.usable.some((endpoint) => !plan.protections.hasRoom(endpoint))) return undefined
  return part.set.shares(part.balancer, asked.now)
}

/**
 * Why an endpoint is chosen among, or is not; undefined: this is not why. The first that says something counts, so one more
 * reason is one more line.
 */
const REASONS: readonly ((look: Look) => string | undefined)[] = [
  ({ selected }) => (selected ? undefined : 'not selected by its metadata'),
  ({ inLane }) => (inLane ? undefined : 'of another lane'),
  ({ subject: { part }, taken }) =>
    part.set.failing && !taken ? 'panic: fewer endpoints are usable than panicPercent asks for, and failTrafficOnPanic is on' : undefined,
  ({ subject: { part }, taken }) =>
    part.set.panic && taken
      ? `panic: fewer endpoints are usable than panicPercent asks for, so ${part.balancer.name} chooses among all`
      : undefined,
  ejected,
  unhealthy,
  ({ state, reason, taken }) =>
    state === 'degraded' ? `degraded${inBrackets(reason)}; ${taken ? 'the others alone are too few' : RESORT}` : undefined,
  ({ taken }) => (taken ? undefined : 'its priority, or its place, gets no calls now'),
]

function becauseOf(look: Look): string {
  for (const reason of REASONS) {
    const said = reason(look)
    if (said !== undefined) return said
  }
  const { plan } = look.subject
  return `chosen among the usable by ${plan.balancing.name}${NOTES.map((note) => note(look) ?? '').join('')}`
}

/** What is to be added of an endpoint that calls go to. */
const NOTES: readonly ((look: Look) => string | undefined)[] = [standing, warming, refused, full]

function ejected({ endpoint, state, reason, taken, subject }: Look): string | undefined {
  const rest = taken ? 'the others alone are too few' : RESORT
  if (state === 'recovering') return `its ejection is over, and one call at a time may probe it${inBrackets(reason)}; ${rest}`
  if (state !== 'ejected') return undefined
  return `ejected by outlier detection${inBrackets(reason)}, for another ${seconds(endpoint.ejectedUntil - subject.asked.now)}; ${rest}`
}

function unhealthy({ endpoint, state, reason, taken, subject }: Look): string | undefined {
  if (state !== 'unhealthy') return undefined
  const since = seconds(subject.asked.now - endpoint.healthSince)
  return `it fails its health checks${inBrackets(reason)}, for ${since} now; ${taken ? 'the others alone are too few' : RESORT}`
}

function standing({ standsInFor }: Look): string | undefined {
  if (standsInFor === null) return '; it stood in for one that is back, and leaves when nobody else went out within a minute'
  return standsInFor && `; it stands in for ${standsInFor}, which is out of use`
}

function warming({ endpoint, subject: { plan, asked } }: Look): string | undefined {
  const share = plan.balancing.warmth(endpoint, asked.now)
  return share === 1 ? undefined : `, at ${Math.round(share * 100)} % of its weight while it warms up`
}

function refused({ endpoint, subject: { asked } }: Look): string | undefined {
  return asked.now - endpoint.connectFailedAt < 1_000
    ? '; its last connect failed within this second, so further tries prefer others'
    : undefined
}

function full({ endpoint, subject: { plan } }: Look): string | undefined {
  return plan.protections.hasRoom(endpoint) ? undefined : `; it is full, with ${endpoint.inflight} tries in flight, so others get the call`
}

function inBrackets(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${reason})`
}

/** Rounded up to a second, since nobody reads faster. */
function seconds(ms: number): string {
  return formatDuration(Math.max(1_000, Math.ceil(ms / 1_000) * 1_000))
}

function rounded(share: number): number {
  return Math.round(share * 10_000) / 10_000
}

const RESORT = 'a further try may still take it when all others were tried'

import { AsyncResource } from 'node:async_hooks'
import type { Balancer } from '../balancing/balancer.ts'
import { createBalancer, isHashing } from '../balancing/create.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import { LeastRequest } from '../balancing/least-request.ts'
import { LoadWeights } from '../balancing/load-weights.ts'
import { Session } from '../balancing/session.ts'
import { SlowStart } from '../balancing/slow-start.ts'
import { SubsetMembers } from '../balancing/subset-members.ts'
import type { Call } from '../core/call.ts'
import { isDeepStrictEqual } from '../core/deep-equal.ts'
import type { Endpoint, EndpointSpec } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { BalancingSettings } from '../model/balancing.ts'
import { DEFAULT_SUBSET_SIZE } from '../model/defaults.ts'
import type { MeshEvents } from '../model/events.ts'
import type { Policy } from '../model/resources.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { subsetGrouping, subsetGroups } from './subset-grouping.ts'

/** What balancing needs from the mesh. */
export interface BalancingContext {
  readonly time: TimerWheel
  readonly random: Random
  readonly identity: ProcessIdentity
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/** Which endpoints of a service this process uses, and how a call gets one of them. */
export class ServiceBalancing {
  balancer: Balancer
  /** Endpoints that are configured, of which this process may use a part only. */
  offered = 0
  /** Reads what endpoints report of their load, where somebody goes by it. */
  loads: LoadWeights | undefined = undefined
  private session: Session | undefined = undefined
  private settings: BalancingSettings | undefined = undefined
  /** Which endpoints of those that are offered this process uses. */
  readonly members: SubsetMembers
  /** What it divides them by, beside their priorities. */
  private groups: unknown = undefined
  /** The balancer stands in for one that cannot be made yet. */
  private standsIn = true
  private waiting: (() => void)[] = []
  readonly set: EndpointSet
  private readonly context: BalancingContext
  private readonly active: () => number

  /**
   * @param active tries under way at all endpoints of the service
   * @param isUsable whether the endpoint with this id is in use, as far as anybody knows
   */
  constructor(policy: Policy, set: EndpointSet, context: BalancingContext, active: () => number, isUsable: (id: string) => boolean) {
    this.set = set
    this.context = context
    this.members = new SubsetMembers(() => context.identity.seed, isUsable)
    this.active = active
    this.balancer = new LeastRequest(context.random)
    this.apply(policy)
  }

  /** What chooses, in a word: the policy, also while its balancer cannot be made yet. */
  get name(): string {
    return this.standsIn && this.settings !== undefined ? this.settings.policy : this.balancer.name
  }

  /** Most endpoints of each group that this process uses while they are healthy. */
  get size(): number {
    return this.members.size
  }

  /** Takes a new policy over; true when another part of the endpoints is to be used from now on. */
  apply(policy: Policy): boolean {
    const { balancing, subset, lanes, subsets } = policy
    if (!isDeepStrictEqual(balancing, this.settings)) this.configure(balancing)
    // What few endpoints have is mostly missing in a part of them, and so is the endpoint of a session that another process began.
    const whole = isHashing(balancing.policy) || balancing.session !== false || lanes !== false || subsets !== false
    const automatic = whole ? Number.POSITIVE_INFINITY : DEFAULT_SUBSET_SIZE
    const size = subset === 'all' ? Number.POSITIVE_INFINITY : subset === 'auto' ? automatic : subset.size
    const groups = size === Number.POSITIVE_INFINITY ? undefined : subsetGroups(policy)
    if (size === this.size && isDeepStrictEqual(groups, this.groups)) return false
    this.groups = groups
    this.members.configure(size, subsetGrouping(policy))
    return true
  }

  /** The endpoints of the configuration that this process uses. */
  *part(specs: readonly EndpointSpec[]): Generator<undefined, readonly EndpointSpec[]> {
    const { members, context } = this
    this.offered = specs.length
    return yield* members.steps(specs, context.time.read())
  }

  /** What {@link part} gave last is about to be used. */
  adopted(): void {
    const { set, members } = this
    set.enough = members.partial ? members.size : Number.POSITIVE_INFINITY
    set.spare = members.spare ? 1 : 0
  }

  /** No call can be sent as it will be: what the balancer hashes with is being loaded, or its first table is being built. */
  get pending(): boolean {
    return this.standsIn || this.set.isUnprepared(this.balancer)
  }

  /** Calls back once the balancer is ready. */
  whenSettled(then: () => void): void {
    if (this.standsIn) this.waiting.push(AsyncResource.bind(then))
    else if (this.pending) this.set.prepare(this.balancer, then)
    else then()
  }

  /** The endpoint of the call's session, which only a strict one asks for again when a try broke. */
  pickOfSession(call: Call): Endpoint | undefined {
    const { session } = this
    return session === undefined || (call.tries > 0 && !session.strict) ? undefined : session.pick(call)
  }

  /** One more balancer of the same kind, for a part of the endpoints. */
  another(): Balancer {
    const { settings } = this
    // What stands in, or was left in place because there is no hash, remembers nothing of whom it chooses among.
    return settings === undefined || this.standsIn ? this.balancer : (this.make(settings) ?? this.balancer)
  }

  /** The endpoint of the call's session, for somebody who only looks. */
  sessionOf(call: Call): Endpoint | undefined {
    return this.session?.pick(call)
  }

  /** The part of its weight that slow start allows `endpoint`, 0–1. */
  warmth(endpoint: Endpoint, now: number): number {
    const { slowStart = false, policy = 'random' } = this.settings ?? {}
    const slowly = slowStart !== false && policy !== 'random' && !isHashing(policy)
    return slowly ? new SlowStart(slowStart).share(endpoint, now) : 1
  }

  /** Whether the call's session leaves it no other endpoint. */
  binds(call: Call): boolean {
    return this.session?.binds(call) === true
  }

  /** Whether the call belongs to a session, whose endpoint may know what the others do not. */
  inSession(call: Call): boolean {
    return this.session?.pick(call) !== undefined
  }

  /** Whether the call's session is bound to an endpoint that is gone or out of use. */
  strands(call: Call): boolean {
    return this.session?.binds(call) === true && this.session.pick(call) === undefined
  }

  /** Headers that the caller gets beside those of the answer, name after value; undefined without any. */
  marks(call: Call, endpoint: Endpoint): readonly string[] | undefined {
    const cookies = call.affinity?.cookies
    const mark = this.session?.mark(call, endpoint)
    if (mark === undefined && (cookies === undefined || cookies.length === 0)) return undefined
    return [...(mark ?? []), ...(cookies ?? []).flatMap((cookie) => ['set-cookie', cookie])]
  }

  private configure(settings: BalancingSettings): void {
    const { policy, loadReports, session } = settings
    this.settings = settings
    this.session = session === false ? undefined : new Session(session, this.set)
    this.loads = policy === 'weighted-round-robin' && loadReports !== false ? new LoadWeights(loadReports) : undefined
    const { hash } = this.context.identity
    if (!isHashing(policy) || hash.value !== undefined) {
      this.settle(settings)
      return
    }
    // Until then the former balancer serves, and the first calls of a service wait for its first one.
    hash.when(() => {
      if (this.settings === settings) this.settle(settings)
    })
  }

  private settle(settings: BalancingSettings): void {
    const { identity, emit } = this.context
    const made = this.make(settings, this.active)
    this.standsIn = false
    if (made === undefined) emit('sourceFailed', { source: 'xxhash-wasm', error: identity.hash.failure })
    else this.balancer = made
    const { waiting } = this
    this.waiting = []
    for (const then of waiting) this.whenSettled(then)
  }

  /** Undefined where what it hashes with could not be loaded. */
  private make(settings: BalancingSettings, active?: () => number): Balancer | undefined {
    const { random, time, identity } = this.context
    const { policy } = settings
    if (!isHashing(policy)) return createBalancer(policy, random, settings)
    const hash = identity.hash.value
    if (hash === undefined) return undefined
    const counted = active === undefined ? {} : { active }
    return createBalancer(policy, random, { ...settings, ...counted, hash, source: identity.source, clock: time.clock })
  }
}

/** Endpoints that calls choose among, and who chooses: all of a service, or a selection of them. */
export interface Choosable {
  readonly set: EndpointSet
  readonly balancer: Balancer
}

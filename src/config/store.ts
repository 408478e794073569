import { isDeepStrictEqual } from '../core/deep-equal.ts'
import type { EndpointSpec } from '../core/endpoint.ts'
import type {
  AuthorizationResource,
  EndpointsResource,
  OutboundPolicyResource,
  PolicySections,
  Provenance,
  Resource,
  RouteResource,
  ServiceResource,
  TrafficPolicyResource,
} from '../model/resources.ts'
import { resourceKey } from '../model/resources.ts'
import type { AuthorizationState, OutboundPolicySnapshot, RouteSnapshot, ServiceSnapshot, Snapshot } from '../model/snapshot.ts'
import type { Rejection, ResourceDelta } from '../model/source.ts'
import { AuthorizationList } from './authorization-list.ts'
import { problemsOf } from './check-resource.ts'
import { mergePolicy, type PolicyLayer } from './merge-policy.ts'
import { shownPolicy } from './outbound-policies.ts'
import { Places } from './places.ts'
import { RankedList, type RankedVersion } from './ranked-list.ts'
import { shownRoute } from './routes.ts'
import { sameEndpoints } from './same-endpoints.ts'

/** What a store starts from, and whom it tells. */
export interface StoreOptions {
  readonly namespace: string
  /** What every service starts from. */
  readonly defaults: PolicySections
  /** Resources of the options; they win over every source. */
  readonly resources: readonly Resource[]
  /** `changed` holds the keys (`namespace/name`) of services whose content is different now. */
  onChange(snapshot: Snapshot, changed: ReadonlySet<string>, source: string): void
  /** Hears what inbound policy is in force, and what is missing, whenever that is different; for the first time at once. */
  onAuthorization?(state: AuthorizationState): void
}

/** Name of the layer that the options of `createMesh` form. */
const OPTIONS = 'options'

/** The versions of one resource, by the source that gave them. */
type Versions = Map<string, Resource>

/**
 * All configuration of a mesh: resources from many sources, of which the options win and then the later source. Each delta
 * is checked resource by resource: the good ones apply, the bad ones are returned and their former version stays.
 * Work follows what changed, not what is there.
 */
export class ConfigStore {
  snapshot: Snapshot
  private readonly options: StoreOptions
  private readonly resources = new Map<string, Versions>()
  private readonly services = new Map<string, ServiceSnapshot>()
  private readonly policies = new RankedList<OutboundPolicyResource, OutboundPolicySnapshot>(shownPolicy)
  private readonly routes = new RankedList<RouteResource, RouteSnapshot>(shownRoute)
  private readonly authorization: AuthorizationList
  private readonly places = new Places((source, key) => this.resources.get(key)?.get(source))
  /** Where that was written which errors and `explain` call `from`; undefined where nobody knows. */
  readonly placeOf = (from: string | undefined): string | undefined => (from === undefined ? undefined : this.places.of(from))
  /** Sources in order of precedence, the weakest first. */
  private readonly order: string[] = []

  constructor(options: StoreOptions) {
    this.options = options
    this.authorization = new AuthorizationList((state) => options.onAuthorization?.(state))
    const touched = new Set<string>()
    for (const resource of options.resources) this.put(OPTIONS, resource, touched)
    this.rebuild(touched)
    this.snapshot = {
      version: 1,
      services: new Map(this.services),
      ...this.lists(),
    }
    this.authorization.tell()
  }

  /** Makes a source known, stronger than those before it; returns what takes its deltas. */
  register(source: string, { inbound = false }: { inbound?: boolean } = {}): (delta: ResourceDelta) => Rejection[] {
    this.order.push(source)
    if (inbound) this.authorization.await(source)
    return (delta) => this.apply(source, delta)
  }

  /** A source could not give what it has; what it gave before stays. */
  failed(source: string, why: string): void {
    this.authorization.failed(source, why)
  }

  private apply(source: string, delta: ResourceDelta): Rejection[] {
    const rejections: Rejection[] = []
    const touched = new Set<string>()
    const named = new Set<string>()
    for (const resource of delta.upserts) {
      const problems = problemsOf(resource)
      if (problems.length === 0) {
        named.add(resourceKey(resource))
        this.put(source, resource, touched)
      } else {
        rejections.push(rejectionOf(resource, problems))
        // What cannot be read is not gone: its former version stays.
        if (isNamed(resource)) {
          named.add(resourceKey(resource))
          if (resource.kind === 'authorization') this.authorization.rejected(source, resource, problems, this.has(source, resource))
        }
      }
    }
    for (const removal of delta.removals) if (isNamed(removal)) this.drop(source, resourceKey(removal), touched)
    if (delta.complete) {
      for (const [key, versions] of this.resources) if (versions.has(source) && !named.has(key)) this.drop(source, key, touched)
    }
    this.authorization.delivered(source, delta.complete ? named : undefined)
    const changed = this.rebuild(touched)
    const { policies, routes, authorization } = this.lists()
    const { snapshot: former } = this
    const same = policies === former.policies && routes === former.routes && authorization === former.authorization
    if (changed.size > 0 || !same) {
      this.snapshot = { version: former.version + 1, services: new Map(this.services), policies, routes, authorization }
      this.options.onChange(this.snapshot, changed, source)
    }
    this.authorization.tell()
    return rejections
  }

  private put(source: string, resource: Resource, touched: Set<string>): void {
    const key = resourceKey(resource)
    const versions = this.resources.get(key)
    if (versions === undefined) this.resources.set(key, new Map([[source, resource]]))
    else versions.set(source, resource)
    this.places.note(source, resource)
    if (resource.kind === 'authorization') this.authorization.touch(key, source)
    else this.touch(resource.kind, key, touched)
  }

  private drop(source: string, key: string, touched: Set<string>): void {
    this.authorization.dropped(key, source)
    const versions = this.resources.get(key)
    if (versions?.delete(source) !== true) return
    if (versions.size === 0) this.resources.delete(key)
    this.touch(key.slice(0, key.indexOf('/')), key, touched)
  }

  private touch(kind: string, key: string, touched: Set<string>): void {
    if (kind === 'outbound-policy') this.policies.touch(key)
    else if (kind === 'route') this.routes.touch(key)
    else if (kind !== 'authorization') touched.add(key.slice(kind.length + 1))
  }

  /** Works the touched services out anew; those whose content is the same keep their object. */
  private rebuild(touched: ReadonlySet<string>): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const key of touched) {
      const former = this.services.get(key)
      const next = this.compose(key, former)
      if (next === former) continue
      changed.add(key)
      if (next === undefined) this.services.delete(key)
      else this.services.set(key, next)
    }
    return changed
  }

  private compose(key: string, former: ServiceSnapshot | undefined): ServiceSnapshot | undefined {
    const service = this.winner<ServiceResource>(`service/${key}`)
    if (service === undefined) return undefined
    const endpoints = this.winner<EndpointsResource>(`endpoints/${key}`)
    const { policy, from } = mergePolicy(this.policyLayers(key))
    const { name, namespace, hosts, ports, protocol } = service.resource
    const parts = { hosts, ports, policy, endpoints: endpoints?.resource.endpoints ?? NO_ENDPOINTS }
    const next: ServiceSnapshot = {
      name,
      namespace,
      protocol,
      ...(endpoints?.resource.because === undefined ? {} : { because: endpoints.resource.because }),
      // A part that says the same keeps its identity: what runs compares by it.
      ...(former === undefined ? parts : keepEqual(parts, former)),
      from: { service: service.from, ...(endpoints === undefined ? {} : { endpoints: endpoints.from }), ...from },
    }
    return former !== undefined && isSame(former, next) ? former : Object.freeze(next)
  }

  private policyLayers(key: string): PolicyLayer[] {
    const { defaults, namespace } = this.options
    const layers: PolicyLayer[] = [{ sections: defaults, from: { source: OPTIONS, kind: 'defaults', namespace, name: 'defaults' } }]
    const written = this.winner<TrafficPolicyResource>(`traffic-policy/${key}`)
    if (written !== undefined) layers.push({ sections: written.resource.policy, from: written.from })
    return layers
  }

  private lists(): Pick<Snapshot, 'policies' | 'routes' | 'authorization'> {
    return {
      policies: this.policies.list((key) => this.ranked<OutboundPolicyResource>(key)),
      routes: this.routes.list((key) => this.ranked<RouteResource>(key)),
      authorization: this.authorization.list((key) => this.ranked<AuthorizationResource>(key)),
    }
  }

  private ranked<T extends Resource>(key: string): RankedVersion<T> | undefined {
    const found = this.winner<T>(key)
    return found && { ...found, rank: this.rank(found.from.source) }
  }

  private has(source: string, resource: Resource): boolean {
    return this.resources.get(resourceKey(resource))?.has(source) === true
  }

  private rank(source: string): number {
    return source === OPTIONS ? Number.MAX_SAFE_INTEGER : this.order.indexOf(source)
  }

  /** The version that counts: the options', else the latest source's. */
  private winner<T extends Resource>(key: string): { resource: T; from: Provenance } | undefined {
    const versions = this.resources.get(key)
    if (versions === undefined) return undefined
    const source = versions.has(OPTIONS) ? OPTIONS : this.order.findLast((each) => versions.has(each))
    const resource = source === undefined ? undefined : (versions.get(source) as T | undefined)
    if (source === undefined || resource === undefined) return undefined
    const { kind, namespace, name } = resource
    return { resource, from: { source, kind, namespace, name } }
  }
}

function keepEqual<T extends object>(parts: T, former: T): T {
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(parts)) {
    const before = (former as Record<string, unknown>)[key]
    kept[key] = value === before || isEqual(key, value, before) ? before : value
  }
  return kept as T
}

function isEqual(key: string, value: unknown, before: unknown): boolean {
  if (key === 'endpoints') return sameEndpoints(value as readonly EndpointSpec[], before as readonly EndpointSpec[])
  return isDeepStrictEqual(value, before)
}

/** Parts that say the same are the same objects here, so that only what is small is compared in depth. */
function isSame({ endpoints, ...former }: ServiceSnapshot, { endpoints: nextEndpoints, ...next }: ServiceSnapshot): boolean {
  return endpoints === nextEndpoints && isDeepStrictEqual(former, next)
}

function isNamed(value: unknown): value is Resource {
  const { kind, namespace, name } = (value ?? {}) as Record<string, unknown>
  return typeof kind === 'string' && typeof namespace === 'string' && typeof name === 'string'
}

function rejectionOf(resource: unknown, problems: readonly string[]): Rejection {
  if (!isNamed(resource)) return { kind: 'document', namespace: '', name: '', problems }
  const { kind, namespace, name } = resource
  return { kind, namespace, name, problems }
}

const NO_ENDPOINTS: readonly never[] = Object.freeze([])

import type { Resource } from '../model/resources.ts'
import type { ParsedAuthorizationPolicy } from './schema/authorization.ts'
import type { ParsedOutboundPolicy } from './schema/outbound-policies.ts'
import { toSections } from './schema/policy.ts'
import type { ParsedRoute } from './schema/routes.ts'
import type { ParsedService } from './schema/service.ts'

/** Where something of the short form was written: as a whole, and what in it has a name; keys of a service, rules of a route or a policy. */
export type Written = Required<Pick<Resource, 'place' | 'places'>>

/** Where each thing was written; undefined where nobody knows. */
export type WhereWritten<Named> = (named: Named) => Written | undefined

/** Unfolds one service of the short form into resources of separate kinds. */
function unfoldService(name: string, service: ParsedService, defaultNamespace: string, written: Written | undefined): Resource[] {
  const namespace = service.namespace ?? defaultNamespace
  const { hosts, port, ports = port === undefined ? [] : [port], protocol, endpoints } = service
  const { place, places } = written ?? {}
  const at = place === undefined ? undefined : { place }
  const resources: Resource[] = [{ kind: 'service', namespace, name, hosts, ports, protocol, ...at }]
  if (endpoints !== undefined)
    resources.push({ kind: 'endpoints', namespace, name, endpoints, ...(at && { place: places?.['endpoints'] ?? place }) })
  const policy = toSections(service)
  if (Object.keys(policy).length > 0)
    resources.push({ kind: 'traffic-policy', namespace, name, policy, ...at, ...(places && { places: placesOfSections(places) }) })
  return resources
}

function placesOfSections(places: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const first = TIMEOUTS.find((key) => places[key] !== undefined)
  return first === undefined ? places : { ...places, timeouts: places[first] as string }
}

/** The keys of a service that are one section together. */
const TIMEOUTS = ['timeout', 'connectTimeout', 'idleTimeout'] as const satisfies readonly (keyof ParsedService)[]

/** Unfolds `services: { … }`. */
export function unfoldServices(
  services: ReadonlyMap<string, ParsedService>,
  defaultNamespace: string,
  written?: WhereWritten<string>,
): Resource[] {
  return [...services].flatMap(([name, service]) => unfoldService(name, service, defaultNamespace, written?.(name)))
}

/** Unfolds `policies: [ … ]`, whose order is part of what they say. */
export function unfoldPolicies(policies: readonly ParsedOutboundPolicy[], namespace: string): Resource[] {
  return policies.map(({ name, rule }, order) => ({ kind: 'outbound-policy', namespace, name, order, rule }))
}

/** Unfolds `routes: [ … ]`; of two for one host the first counts. */
export function unfoldRoutes(routes: readonly ParsedRoute[], defaultNamespace: string, written?: WhereWritten<ParsedRoute>): Resource[] {
  return routes.map((route, order) => {
    const { name, namespace = defaultNamespace, hosts, rules } = route
    return { kind: 'route', namespace, name, order, hosts, rules, ...written?.(route) }
  })
}

/** Unfolds `authorization: [ … ]`; the order decides only which policy is named where several match. */
export function unfoldAuthorization(
  policies: readonly ParsedAuthorizationPolicy[],
  defaultNamespace: string,
  written?: WhereWritten<ParsedAuthorizationPolicy>,
): Resource[] {
  return policies.map((each, order) => {
    const { name, namespace = defaultNamespace, policy } = each
    return { kind: 'authorization', namespace, name, order, policy, ...written?.(each) }
  })
}

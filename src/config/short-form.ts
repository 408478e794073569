import type { Resource } from '../model/resources.ts'
import type { ParsedAuthorizationPolicy } from './schema/authorization.ts'
import type { ParsedOutboundPolicy } from './schema/outbound-policies.ts'
import { toSections } from './schema/policy.ts'
import type { ParsedRoute } from './schema/routes.ts'
import type { ParsedService } from './schema/service.ts'

/** Unfolds one service of the short form into resources of separate kinds. */
function unfoldService(name: string, service: ParsedService, defaultNamespace: string): Resource[] {
  const namespace = service.namespace ?? defaultNamespace
  const { hosts, port, ports = port === undefined ? [] : [port], protocol, endpoints } = service
  const resources: Resource[] = [{ kind: 'service', namespace, name, hosts, ports, protocol }]
  if (endpoints !== undefined) resources.push({ kind: 'endpoints', namespace, name, endpoints })
  const policy = toSections(service)
  if (Object.keys(policy).length > 0) resources.push({ kind: 'traffic-policy', namespace, name, policy })
  return resources
}

/** Unfolds `services: { … }`. */
export function unfoldServices(services: ReadonlyMap<string, ParsedService>, defaultNamespace: string): Resource[] {
  return [...services].flatMap(([name, service]) => unfoldService(name, service, defaultNamespace))
}

/** Unfolds `policies: [ … ]`, whose order is part of what they say. */
export function unfoldPolicies(policies: readonly ParsedOutboundPolicy[], namespace: string): Resource[] {
  return policies.map(({ name, rule }, order) => ({ kind: 'outbound-policy', namespace, name, order, rule }))
}

/** Unfolds `routes: [ … ]`; of two for one host the first counts. */
export function unfoldRoutes(routes: readonly ParsedRoute[], defaultNamespace: string): Resource[] {
  return routes.map(({ name, namespace = defaultNamespace, hosts, rules }, order) => ({
    kind: 'route',
    namespace,
    name,
    order,
    hosts,
    rules,
  }))
}

/** Unfolds `authorization: [ … ]`; the order decides only which policy is named where several match. */
export function unfoldAuthorization(policies: readonly ParsedAuthorizationPolicy[], defaultNamespace: string): Resource[] {
  return policies.map(({ name, namespace = defaultNamespace, policy }, order) => ({
    kind: 'authorization',
    namespace,
    name,
    order,
    policy,
  }))
}

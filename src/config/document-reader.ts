import * as v from 'valibot'
import type { AddressPolicy } from '../core/address.ts'
import { isDeepStrictEqual } from '../core/deep-equal.ts'
import { KeptParts } from './kept-parts.ts'
import { acrossAuthorization, authorizationPolicy, type ParsedAuthorizationPolicy } from './schema/authorization.ts'
import { isPlainObject, print, type Report, record } from './schema/blocks.ts'
import { outboundPolicies, type ParsedOutboundPolicy } from './schema/outbound-policies.ts'
import { type Problem, pathText } from './schema/path.ts'
import { copyPlain, type Plain } from './schema/plain.ts'
import { type Checked, check, judge } from './schema/problems.ts'
import { acrossRoutes, type ParsedRoute, route } from './schema/routes.ts'
import { acrossServices, LATER_KEYS, type ParsedService, serviceName, serviceSchema } from './schema/service.ts'

/** A document in the short form, checked. What says the same as in the document before is the same object. */
export interface ParsedDocument {
  readonly services: ReadonlyMap<string, ParsedService>
  readonly policies: readonly ParsedOutboundPolicy[]
  readonly routes: readonly ParsedRoute[]
  readonly authorization: readonly ParsedAuthorizationPolicy[]
}

/** Parts of one kind; where they stand is known by a name or an index. */
class Section<T> {
  readonly parts: KeptParts<T>
  /** What parts may not have in common; where that is as it was, it need not be looked at. */
  private readonly claims: (part: T) => unknown
  private accepted: ReadonlyMap<PropertyKey, T> = new Map()

  constructor(judgePart: (part: Plain, key: string) => Checked<T>, claims: (part: T) => unknown) {
    this.parts = new KeptParts(judgePart)
    this.claims = claims
  }

  /** Whether those are at odds with each other has been looked at already. */
  wasAccepted(next: ReadonlyMap<PropertyKey, T>): boolean {
    if (next.size !== this.accepted.size) return false
    for (const [place, part] of next) {
      const former = this.accepted.get(place)
      if (former === undefined || (former !== part && !isDeepStrictEqual(this.claims(part), this.claims(former)))) return false
    }
    return true
  }

  settle(taken: boolean, next: ReadonlyMap<PropertyKey, T>): void {
    this.parts.settle(taken)
    if (taken) this.accepted = next
  }
}

/**
 * Reads documents in the short form, one after the other: `services: { … }`, `policies: [ … ]`, `routes: [ … ]`, `authorization: [ … ]`.
 * Only what changed since the last one that was right is judged.
 */
export class DocumentReader {
  private readonly namespace: string
  private readonly services: Section<ParsedService>
  private readonly routes = new Section<ParsedRoute>(
    (part) => judge(route, part),
    ({ name, namespace, hosts }) => [name, namespace, hosts],
  )
  private readonly authorization = new Section<ParsedAuthorizationPolicy>(
    (part) => judge(authorizationPolicy, part),
    ({ name, namespace }) => [name, namespace],
  )

  /** @param namespace where services live that name none */
  constructor(policy: AddressPolicy, namespace: string) {
    this.namespace = namespace
    const schema = serviceSchema(policy)
    this.services = new Section<ParsedService>(
      (part, name) => named(name, judge(schema, part)),
      (service) => [service.namespace, service.hosts, service.port, service.ports],
    )
  }

  /** What `document` says, or every problem with its path; never throws. */
  read(document: unknown): Checked<ParsedDocument> {
    // The lists, and no more: each part is compared before it is copied.
    const { value, problems: unreadable } = copyPlain(document, undefined, 2)
    if (!isPlainObject(value))
      return { problems: unreadable.length > 0 ? unreadable : [{ path: [], message: `expected an object, got ${print(value)}` }] }
    const problems: Problem[] = [...unreadable]
    const told = new Set(unreadable.map(({ path }) => pathText(path)))
    const report: Report = (path, message) => {
      if (told.size === 0 || !told.has(pathText(path))) problems.push({ path, message })
    }
    const { services: map, policies: rules, routes: routeList, authorization: policyList, ...others } = value
    tellAll(check(record({}, LATER_KEYS), others), [], report)
    if (map !== undefined && !isPlainObject(map)) report(['services'], `expected an object, got ${print(map)}`)
    const services = this.each(this.services, 'services', isPlainObject(map) ? Object.entries(map) : [], report)
    const policies = check(v.optional(outboundPolicies, []), rules)
    tellAll(policies, ['policies'], report)
    const routes = this.each(this.routes, 'routes', listed(routeList, 'routes', report), report)
    const authorization = this.each(
      this.authorization,
      'authorization',
      listed(policyList, 'authorization', report, 'authorization policies'),
      report,
    )
    const below = (section: string): Report => {
      return (path, message) => report([section, ...path], message)
    }
    if (!this.services.wasAccepted(services))
      acrossServices(services as ReadonlyMap<string, ParsedService>, this.namespace, below('services'))
    if (!this.routes.wasAccepted(routes)) acrossRoutes(routes as ReadonlyMap<number, ParsedRoute>, below('routes'))
    if (!this.authorization.wasAccepted(authorization))
      acrossAuthorization(authorization as ReadonlyMap<number, ParsedAuthorizationPolicy>, below('authorization'))
    const taken = problems.length === 0 && 'output' in policies
    this.services.settle(taken, services)
    this.routes.settle(taken, routes)
    this.authorization.settle(taken, authorization)
    if (!taken) return { problems }
    return {
      output: {
        services: services as ReadonlyMap<string, ParsedService>,
        policies: policies.output,
        routes: [...routes.values()],
        authorization: [...authorization.values()],
      },
    }
  }

  private each<T>(
    { parts }: Section<T>,
    section: string,
    written: Iterable<readonly [PropertyKey, unknown]>,
    report: Report,
  ): ReadonlyMap<PropertyKey, T> {
    const right = new Map<PropertyKey, T>()
    for (const [place, part] of written) {
      const checked = parts.check(typeof place === 'string' ? place : nameOf(part, place as number), part)
      if ('output' in checked) right.set(place, checked.output)
      else tellAll(checked, [section, place], report)
    }
    return right
  }
}

/** What a part of a list is known by: its name, or the host of a route without one; else where it stands. */
function nameOf(part: unknown, index: number): string {
  try {
    const { namespace, name, hosts } = (part ?? {}) as { namespace?: unknown; name?: unknown; hosts?: readonly unknown[] }
    const known = name ?? hosts?.[0]
    if (typeof known === 'string') return typeof namespace === 'string' ? `${namespace}/${known}` : known
  } catch {
    // What cannot be read has no name either.
  }
  return `#${index}`
}

function named<T>(name: string, checked: Checked<T>): Checked<T> {
  const { issues } = v.safeParse(serviceName, name)
  if (issues === undefined) return checked
  const wrong = issues.map(({ message }) => ({ path: [], message: `name: ${message}` }))
  return { problems: 'problems' in checked ? [...wrong, ...checked.problems] : wrong }
}

function listed(list: unknown, section: string, report: Report, what = section): Iterable<readonly [number, unknown]> {
  if (Array.isArray(list)) return (list as unknown[]).entries()
  if (list !== undefined) report([section], `expected a list of ${what}, got ${print(list)}`)
  return []
}

function tellAll(checked: Checked<unknown>, at: readonly PropertyKey[], report: Report): void {
  if ('problems' in checked) for (const { path, message } of checked.problems) report([...at, ...path], message)
}

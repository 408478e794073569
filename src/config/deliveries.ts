import type { Resource } from '../model/resources.ts'
import { resourceKey } from '../model/resources.ts'
import type { Rejection, Sink } from '../model/source.ts'
import type { ParsedDocument } from './document-reader.ts'
import { unfoldAuthorization, unfoldPolicies, unfoldRoutes, unfoldServices, type Written } from './short-form.ts'

/** The resources of one part of a document. */
interface Unfolded {
  /** Its place among those of its kind, which is part of what it says. */
  readonly order: number
  readonly resources: readonly Resource[]
  readonly keys: readonly string[]
}

/**
 * Hands the documents of a source on to one mesh: the first as a whole, of each later one what is different. A push of which a single
 * part changed costs the mesh a single part, however many there are.
 */
export class Deliveries {
  private readonly sink: Sink
  private readonly namespace: string
  private readonly written: () => Written | undefined
  private unfolded: ReadonlyMap<object, Unfolded> = new Map()
  /** Undefined: nothing was taken yet, or not all of it. */
  private former: ReadonlyMap<string, Resource> | undefined = undefined

  /**
   * @param namespace where resources live that name none
   * @param written where all documents of the source are found
   */
  constructor(sink: Sink, namespace: string, written?: Written) {
    this.sink = sink
    this.namespace = namespace
    this.written = () => written
  }

  /** Hands on what is new in `document`; returns what was not taken. */
  deliver({ services, policies, routes, authorization }: ParsedDocument, version: string): Rejection[] {
    const { namespace, former, written } = this
    const unfolded = new Map<object, Unfolded>()
    const next = new Map<string, Resource>()
    const enter = <T extends object>(part: T, order: number, unfold: (part: T) => readonly Resource[]): void => {
      const known = this.unfolded.get(part)
      const each = known?.order === order ? known : unfoldedOf(unfold(part), order)
      unfolded.set(part, each)
      for (let at = 0; at < each.keys.length; at++) next.set(each.keys[at] as string, each.resources[at] as Resource)
    }
    for (const [name, service] of services) enter(service, 0, () => unfoldServices(new Map([[name, service]]), namespace, written))
    for (const [order, policy] of policies.entries()) enter(policy, order, (part) => unfoldPolicies([part], namespace))
    for (const [order, route] of routes.entries()) enter(route, order, (part) => unfoldRoutes([part], namespace, written))
    for (const [order, policy] of authorization.entries()) enter(policy, order, (part) => unfoldAuthorization([part], namespace, written))
    this.unfolded = unfolded
    this.former = next
    const upserts: Resource[] = []
    const removals: Resource[] = []
    for (const [key, resource] of next) if (former?.get(key) !== resource) upserts.push(resource)
    for (const [key, resource] of former ?? []) if (!next.has(key)) removals.push(resource)
    const rejections = this.sink.update({ version, upserts, removals, complete: former === undefined })
    // What was not taken is handed on again, with everything else.
    if (rejections.length > 0) this.former = undefined
    return rejections
  }
}

function unfoldedOf(alone: readonly Resource[], order: number): Unfolded {
  const resources = alone.map((resource) => ('order' in resource ? { ...resource, order } : resource))
  return { order, resources, keys: resources.map(resourceKey) }
}

import * as v from 'valibot'
import { AddressPolicy } from '../../core/address.ts'
import type { SourceConfigOptions } from '../../model/options.ts'
import type { Rejection, Sink, Source } from '../../model/source.ts'
import { authorizationPolicies } from '../schema/authorization.ts'
import { record, text } from '../schema/blocks.ts'
import { outboundPolicies } from '../schema/outbound-policies.ts'
import { configError, parse } from '../schema/problems.ts'
import { routes as routesSchema } from '../schema/routes.ts'
import { allowAddresses, LATER_KEYS, namespaceName, servicesSchema } from '../schema/service.ts'
import { unfoldAuthorization, unfoldPolicies, unfoldRoutes, unfoldServices } from '../short-form.ts'

/** A source whose content the program sets. */
export interface StaticSource extends Source {
  /** Replaces the content. What is wrong is returned, and then the former content stays in force, whole. */
  update(config: SourceConfigOptions): Rejection[]
}

const OPTIONS = record({
  name: v.optional(text(253), 'static'),
  namespace: v.optional(namespaceName),
  allowAddresses: v.optional(allowAddresses, []),
})

/** What `staticSource` takes beside its document. */
export interface StaticSourceOptions {
  /** Appears in provenance, events and stats. Default `static`. */
  name?: string
  /** Where services live that name none. Default: the namespace of the mesh. */
  namespace?: string
  /** Addresses or CIDR ranges allowed although the address policy refuses them. */
  allowAddresses?: string[]
}

/**
 * A source from a document in the short form, changed by {@link StaticSource.update}; for tests, and for configuration that the
 * program computes. It holds no handle and may serve several meshes.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function staticSource(config: SourceConfigOptions, options: StaticSourceOptions = {}): StaticSource {
  const settings = parse(OPTIONS, options)
  if ('problems' in settings) throw configError(settings.problems.map((problem) => `staticSource options: ${problem}`))
  const { name, namespace } = settings.output
  const policy = new AddressPolicy(settings.output.allowAddresses)
  const schema = record(
    {
      services: v.optional(servicesSchema(policy, namespace ?? 'default'), {}),
      policies: v.optional(outboundPolicies, []),
      routes: v.optional(routesSchema, []),
      authorization: v.optional(authorizationPolicies, []),
    },
    LATER_KEYS,
  )
  const first = parse(schema, config)
  if ('problems' in first) throw configError(first.problems)

  const sinks = new Set<Sink>()
  let version = 1
  let document = first.output
  const deliver = (sink: Sink): Rejection[] => {
    const home = namespace ?? sink.namespace
    return sink.update({
      version: String(version),
      upserts: [
        ...unfoldServices(document.services, home),
        ...unfoldPolicies(document.policies, home),
        ...unfoldAuthorization(document.authorization, home),
        ...unfoldRoutes(document.routes, home),
      ],
      removals: [],
      complete: true,
    })
  }
  return {
    name,
    inbound: true,
    watch(sink) {
      sinks.add(sink)
      deliver(sink)
      return () => {
        sinks.delete(sink)
      }
    },
    update(written) {
      const next = parse(schema, written)
      if ('problems' in next) {
        const rejections: Rejection[] = [{ kind: 'document', namespace: namespace ?? '', name, problems: next.problems }]
        for (const sink of sinks) sink.rejected(rejections)
        return rejections
      }
      version++
      document = next.output
      return [...sinks].flatMap(deliver)
    },
  }
}

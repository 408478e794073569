import * as v from 'valibot'
import { AddressPolicy } from '../../core/address.ts'
import type { ConfigOptions } from '../../model/options.ts'
import type { Resource } from '../../model/resources.ts'
import type { Rejection, ResourceDelta, Sink, Source } from '../../model/source.ts'
import { record, text } from '../schema/blocks.ts'
import { configError, parse } from '../schema/problems.ts'
import { allowAddresses, LATER_KEYS, namespaceName, servicesSchema } from '../schema/service.ts'
import { unfoldServices } from '../short-form.ts'

/** A source whose content the program sets. */
export interface StaticSource extends Source {
  /** Replaces the content. What is wrong is returned, and then the former content stays in force, whole. */
  update(config: ConfigOptions): Rejection[]
}

const OPTIONS = record({
  name: v.optional(text(253), 'static'),
  namespace: v.optional(namespaceName, 'default'),
  allowAddresses: v.optional(allowAddresses, []),
})

/**
 * A source from a document in the short form, changed by {@link StaticSource.update}; for tests, and for configuration that the
 * program computes. It holds no handle and may serve several meshes.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function staticSource(
  config: ConfigOptions,
  options: { name?: string; namespace?: string; allowAddresses?: string[] } = {},
): StaticSource {
  const settings = parse(OPTIONS, options)
  if ('problems' in settings) throw configError(settings.problems.map((problem) => `staticSource options: ${problem}`))
  const { name, namespace } = settings.output
  const schema = record({ services: v.optional(servicesSchema(new AddressPolicy(settings.output.allowAddresses), namespace)) }, LATER_KEYS)
  const read = (document: unknown) => parse(schema, document)
  const first = read(config)
  if ('problems' in first) throw configError(first.problems)

  const sinks = new Set<Sink>()
  let version = 1
  let resources: readonly Resource[] = unfoldServices(first.output.services ?? new Map(), namespace)
  const delta = (): ResourceDelta => ({ version: String(version), upserts: resources, removals: [], complete: true })
  return {
    name,
    watch(sink) {
      sinks.add(sink)
      sink.update(delta())
      return () => {
        sinks.delete(sink)
      }
    },
    update(document) {
      const next = read(document)
      if ('problems' in next) return [{ kind: 'document', namespace, name, problems: next.problems }]
      version++
      resources = unfoldServices(next.output.services ?? new Map(), namespace)
      return [...sinks].flatMap((sink) => sink.update(delta()))
    },
  }
}

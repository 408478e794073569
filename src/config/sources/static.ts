import * as v from 'valibot'
import { AddressPolicy } from '../../core/address.ts'
import { problemText } from '../../core/problem.ts'
import type { SourceConfigOptions } from '../../model/options.ts'
import type { Rejection, Sink, Source } from '../../model/source.ts'
import { Deliveries } from '../deliveries.ts'
import { DocumentReader } from '../document-reader.ts'
import { record, text } from '../schema/blocks.ts'
import { configError, parse } from '../schema/problems.ts'
import { allowAddresses, namespaceName } from '../schema/service.ts'

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
  const reader = new DocumentReader(new AddressPolicy(settings.output.allowAddresses), namespace ?? 'default')
  const first = reader.read(config)
  if ('problems' in first) throw configError(first.problems.map(problemText))

  const sinks = new Map<Sink, Deliveries>()
  let version = 1
  let document = first.output
  return {
    name,
    inbound: true,
    watch(sink) {
      const deliveries = new Deliveries(sink, namespace ?? sink.namespace)
      sinks.set(sink, deliveries)
      deliveries.deliver(document, String(version))
      return () => {
        sinks.delete(sink)
      }
    },
    update(written) {
      const next = reader.read(written)
      if ('problems' in next) {
        const problems = next.problems.map(problemText)
        const rejections: Rejection[] = [{ kind: 'document', namespace: namespace ?? '', name, problems }]
        for (const sink of sinks.keys()) sink.rejected(rejections)
        return rejections
      }
      version++
      document = next.output
      return [...sinks.values()].flatMap((deliveries) => deliveries.deliver(document, String(version)))
    },
  }
}

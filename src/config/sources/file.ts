import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { AddressPolicy } from '../../core/address.ts'
import { type Duration, parseDuration } from '../../core/duration.ts'
import type { Source } from '../../model/source.ts'
import { FileWatch } from '../file/file-watch.ts'
import { namedPath } from '../file/list-files.ts'
import { checked, isPlainObject, listOf, record, text } from '../schema/blocks.ts'
import { configError, parse } from '../schema/problems.ts'
import { allowAddresses, namespaceName } from '../schema/service.ts'

/** A file or a directory: a path, relative to where the process is when the source is made, or a `file:` URL. */
export type FilePath = string | URL

/** What `fileSource` takes when a path is not all there is to say. */
export interface FileSourceOptions {
  /** Files, or directories of which every `*.yaml`, `*.yml` and `*.json` is read, in the order of their names. */
  path: FilePath | readonly FilePath[]
  /** Appears in provenance, events and stats. Default `file:` and the first path. */
  name?: string
  /** Where services live that name none. Default: the namespace of the mesh. */
  namespace?: string
  /** Addresses or CIDR ranges allowed although the address policy refuses them. */
  allowAddresses?: string[]
  /** How often to look although nothing told of a change, 100 ms or more. Default 5s. */
  pollInterval?: Duration
}

const onePath = checked('a path or a file: URL', (input) => {
  const path = input instanceof URL && input.protocol === 'file:' ? fileURLToPath(input) : input
  return typeof path === 'string' && v.is(text(4_096), path) ? path : undefined
})

const OPTIONS = record({
  path: v.lazy((input) =>
    Array.isArray(input)
      ? v.pipe(
          listOf('paths', onePath),
          v.check((list) => list.length > 0, 'expected at least one path'),
        )
      : v.pipe(
          onePath,
          v.transform((path) => [path]),
        ),
  ) as v.GenericSchema<unknown, string[]>,
  name: v.optional(text(253)),
  namespace: v.optional(namespaceName),
  allowAddresses: v.optional(allowAddresses, []),
  pollInterval: v.optional(
    checked("a duration of at least 100ms such as 500, '500ms' or '5s', at most 24 days", (input) => {
      const ms = parseDuration(input)
      return ms !== undefined && ms >= 100 ? ms : undefined
    }),
    5_000,
  ),
})

/**
 * A source from files in YAML or JSON that hold the short form: `services: { … }`, `routes: [ … ]`, `authorization: [ … ]`. Several documents
 * and several files are one configuration. It is watched, and applied within 100 ms of a change; what cannot be read or taken is an event with file, line
 * and column, and what was in force stays as a whole. It holds no handle until a mesh starts it, and may serve several meshes.
 * @throws MeshError `MESH_CONFIG` with every problem of the options and its path; never for what is in a file
 */
export function fileSource(where: FilePath | readonly FilePath[] | FileSourceOptions): Source {
  const settings = parse(OPTIONS, isPlainObject(where) ? where : { path: where })
  if ('problems' in settings) throw configError(settings.problems.map((problem) => `fileSource options: ${problem}`))
  const { path, namespace, allowAddresses: allowed, pollInterval } = settings.output
  const paths = path.map(namedPath)
  const policy = new AddressPolicy(allowed)
  return {
    name: settings.output.name ?? `file:${path[0]}`.slice(0, 253),
    inbound: true,
    watch(sink) {
      const watch = new FileWatch(
        { paths, pollMs: pollInterval, clock: sink.context.clock, policy, namespace: namespace ?? sink.namespace },
        sink,
      )
      watch.start()
      return () => watch.stop()
    },
  }
}

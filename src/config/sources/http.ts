import * as v from 'valibot'
import type { Duration } from '../../core/duration.ts'
import { MeshError } from '../../core/errors.ts'
import { spokenUrl } from '../../core/redact.ts'
import { fromHttpSd } from '../../discovery/http/http-sd.ts'
import { Poll } from '../../discovery/http/poll.ts'
import type { Sink, Source } from '../../model/source.ts'
import { Deliveries } from '../deliveries.ts'
import { DocumentReader, type ParsedDocument } from '../document-reader.ts'
import { checked, duration, type Fields, integer, isPlainObject, mapOf, oneOf, print, printType, record, text } from '../schema/blocks.ts'
import { problemText } from '../schema/path.ts'
import { configError, parse } from '../schema/problems.ts'
import { namespaceName } from '../schema/service.ts'
import type { Written } from '../short-form.ts'

/** What `httpSource` takes. */
export interface HttpSourceOptions {
  /** An http or https URL that answers with a JSON document. */
  url: string
  /** Appears in provenance, events and stats. Default `http`. */
  name?: string
  /** Time between two requests, spread by ten percent. Default 30s. */
  interval?: Duration
  /** Bound of one request, to the last byte. Default 10s. */
  timeout?: Duration
  /** `inmesh`: a document in the short form. `http_sd`: Prometheus' `[{ targets, labels }]`. Default `inmesh`. */
  format?: 'inmesh' | 'http_sd'
  /**
   * Turns a document of any other shape into one in the short form, `{ services, routes, authorization }`, or into its `services` alone.
   * Goes with format `inmesh`.
   */
  map?: (json: unknown) => unknown
  /** For `http_sd`: the service that all targets are of. */
  service?: string
  /** For `http_sd`: the label that names the service of a group, instead of `service`. */
  serviceLabel?: string
  /** For `http_sd`: port of targets that name none. */
  port?: number
  /** Sent with each request, such as `authorization`. Never to another host. */
  headers?: Record<string, string>
  /** Where services live that name none. Default: the namespace of the mesh. */
  namespace?: string
  /**
   * Takes a document without any service, route or authorization policy, where there were some, for what it says. Default false: it is taken
   * for a mistake, and what was there stays.
   */
  allowEmpty?: boolean
  /**
   * The document may hold `authorization`: until the first one came no request is let in. Default false, since a registry that is down would
   * else keep a process from serving; such a document is refused then.
   */
  inbound?: boolean
}

const headerName = checked('a header name', (input) =>
  typeof input === 'string' && /^[\w!#$%&'*+.^`|~-]{1,256}$/.test(input) ? input : undefined,
)

/** RFC 9110 §5.5; its value may be a secret, so it is never printed. */
const headerValue = checked(
  'a header of one line, without characters beyond Latin-1',
  (input) => (typeof input === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(input) ? input : undefined),
  printType,
)

const yesOrNo = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

const entries = {
  url: checked('an http or https URL without credentials', (input) => {
    if (typeof input !== 'string' || !URL.canParse(input)) return undefined
    const { protocol, username, password, href } = new URL(input)
    return /^https?:$/.test(protocol) && username + password === '' ? href : undefined
  }),
  name: v.optional(text(253), 'http'),
  interval: v.optional(duration(), 30_000),
  timeout: v.optional(duration(), 10_000),
  format: v.optional(oneOf(['inmesh', 'http_sd']), 'inmesh'),
  map: v.optional(
    checked<(json: unknown) => unknown>('a function', (input) =>
      typeof input === 'function' ? (input as (json: unknown) => unknown) : undefined,
    ),
  ),
  service: v.optional(text(253)),
  serviceLabel: v.optional(text(253)),
  port: v.optional(integer(1, 65_535)),
  headers: v.optional(mapOf(headerName, headerValue), {}),
  namespace: v.optional(namespaceName),
  allowEmpty: v.optional(yesOrNo, false),
  inbound: v.optional(yesOrNo, false),
}

type Settings = Fields<typeof entries>

const OPTIONS = record(entries, [], ({ format, map, service, serviceLabel, port, inbound }, report) => {
  if (format === 'http_sd' && map !== undefined) report(['map'], 'goes with format inmesh')
  if (format === 'http_sd' && inbound) report(['inbound'], 'goes with format inmesh')
  if (format === 'http_sd' && (service === undefined) === (serviceLabel === undefined))
    report(['service'], 'format http_sd needs either service or serviceLabel')
  if (format === 'inmesh') {
    const stray = Object.entries({ service, serviceLabel, port }).find(([, value]) => value !== undefined)?.[0]
    if (stray !== undefined) report([stray], 'goes with format http_sd')
  }
})

/**
 * A source that polls a JSON document: in the short form, as files have it (`services`, `policies`, `routes`, `authorization`), in Prometheus'
 * `http_sd` form, or in any form that `map` reads. A document is taken whole or not at all; what it gave stays while the server fails, hangs or answers what cannot be used.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function httpSource(options: HttpSourceOptions): Source {
  const settings = parse(OPTIONS, options, { map: 'value' })
  if ('problems' in settings) throw configError(settings.problems.map((problem) => `httpSource options: ${problem}`))
  const { name, inbound } = settings.output
  return { name, inbound, watch: (sink) => watch(settings.output, sink) }
}

function watch(settings: Settings, sink: Sink): () => void {
  const { url, interval, timeout, headers, name } = settings
  const { clock, random, http, addressPolicy } = sink.context
  const namespace = settings.namespace ?? sink.namespace
  const reader = new DocumentReader(addressPolicy, namespace)
  const deliveries = new Deliveries(sink, namespace, whereItIs(settings))
  let version = 0
  let good: ParsedDocument | undefined
  let refused = ''
  const poll = new Poll({
    http,
    clock,
    random,
    url,
    headers: Object.fromEntries(headers),
    intervalMs: interval,
    timeoutMs: timeout,
    document(json) {
      const read = readWith(reader, settings, json)
      if ('problems' in read) {
        const told = read.problems.join('\n')
        // The same mistakes are told once, however often they are read.
        if (told !== refused) sink.rejected([{ kind: 'document', namespace: settings.namespace ?? '', name, problems: read.problems }])
        refused = told
        throw new MeshError('MESH_CONFIG', { reason: `${spokenUrl(url)}: ${told}` })
      }
      refused = ''
      const gone = settings.allowEmpty ? undefined : KINDS.find(([kind]) => sizeOf(good, kind) > 0 && sizeOf(read.output, kind) === 0)
      if (gone !== undefined)
        throw new MeshError('MESH_CONFIG', {
          reason: `${spokenUrl(url)} names no ${gone[1]} any more (allowEmpty takes that for what it says)`,
        })
      good = read.output
      version++
      deliveries.deliver(good, String(version))
    },
    unchanged() {
      if (good !== undefined) deliveries.deliver(good, String(version))
    },
    failed: (error) => sink.failed(error),
  })
  return () => poll.stop()
}

/** What must not be gone by mistake, and how one of it is called. */
const KINDS = [
  ['services', 'service'],
  ['routes', 'route'],
  ['authorization', 'authorization policy'],
] as const

function sizeOf(document: ParsedDocument | undefined, kind: (typeof KINDS)[number][0]): number {
  if (document === undefined) return 0
  return kind === 'services' ? document.services.size : document[kind].length
}

/** Where people find the document. What a query carries may be a secret. */
function whereItIs({ url }: Settings): Written {
  const { origin, pathname } = new URL(url)
  return { place: `${origin}${pathname}`, places: {} }
}

/** A document in the short form, or every problem with its path. */
function readWith(reader: DocumentReader, settings: Settings, json: unknown): { output: ParsedDocument } | { problems: string[] } {
  let document: unknown
  try {
    document = documentOf(settings, json)
  } catch (error) {
    return { problems: [error instanceof Error ? error.message : String(error)] }
  }
  // Nothing at all is what a server says that has lost its data.
  if (isPlainObject(document) && SECTIONS.every((key) => document[key] === undefined))
    return { problems: [`services: expected an object, got ${print(document['services'])}`] }
  if (!settings.inbound && isPlainObject(document) && document['authorization'] !== undefined)
    return { problems: ['authorization: goes with inbound: true, which lets no request in before it came'] }
  const read = reader.read(document)
  return 'problems' in read ? { problems: read.problems.map(problemText) } : read
}

const SECTIONS = ['services', 'policies', 'routes', 'authorization'] as const

function documentOf({ format, map, service, serviceLabel, port }: Settings, json: unknown): unknown {
  if (format === 'http_sd')
    return { services: fromHttpSd(json, { service: service === undefined ? { label: serviceLabel as string } : { name: service }, port }) }
  const document = map === undefined ? json : map(json)
  return map === undefined || (isPlainObject(document) && SECTIONS.some((key) => Object.hasOwn(document, key)))
    ? document
    : { services: document }
}

import * as v from 'valibot'
import { parseAddress } from '../../core/address.ts'
import type { Duration } from '../../core/duration.ts'
import type { EndpointSpec, Locality } from '../../core/endpoint.ts'
import { isIP } from '../../core/ip.ts'
import { DEFAULT_LIFETIMES, DnsResolver } from '../../discovery/dns/dns-resolver.ts'
import type { FollowedName, ResolvedAddress } from '../../model/name-resolver.ts'
import type { Resource } from '../../model/resources.ts'
import type { Sink, Source, Stop } from '../../model/source.ts'
import { checked, duration, type Fields, integer, listOf, mapOf, oneOf, type Report, record, text } from '../schema/blocks.ts'
import { configError, parse } from '../schema/problems.ts'
import { locality, metadata, namespaceName } from '../schema/service.ts'

/** One service found by DNS. */
export type DnsServiceOptions =
  | string
  | {
      /** The name to resolve, `host` or `host:port`; for `type: 'srv'` such as `_http._tcp.orders.example.com`. */
      host: string
      /** Port of the endpoints. Default: that of `host`, else the port of the URL. SRV records name their own. */
      port?: number
      /** Address records (A and AAAA), or SRV records. Default `address`. */
      type?: 'address' | 'srv'
      /** Default: the namespace of the source. */
      namespace?: string
      /** Bounds of how long an answer holds, whatever its TTL. Default: those of the source. */
      minTtl?: Duration
      maxTtl?: Duration
      locality?: Locality
      metadata?: Record<string, string>
    }

/** What `dnsSource` takes. */
export interface DnsSourceOptions {
  /** `orders: 'orders.internal.example.com:8080'`, or an object. */
  services: Record<string, DnsServiceOptions>
  /** DNS servers, `address` or `address:port`. Default: those of the system. */
  servers?: string[]
  /** Appears in provenance, events and stats. Default `dns`. */
  name?: string
  /** Where services live that name none. Default: the namespace of the mesh. */
  namespace?: string
  /** An answer holds at least this long. Default 5s. */
  minTtl?: Duration
  /** An answer holds at most this long. Default 5m. */
  maxTtl?: Duration
  /** How long the last answer serves on after a server said that the name is gone. Default 5m. */
  staleFor?: Duration
}

const ttls = { minTtl: v.optional(duration()), maxTtl: v.optional(duration()) }

/** The longest TTL must not be below the shortest. */
function ordered({ minTtl, maxTtl }: { minTtl?: number | undefined; maxTtl?: number | undefined }, report: Report): void {
  if (minTtl !== undefined && maxTtl !== undefined && maxTtl < minTtl) report(['maxTtl'], `expected at least minTtl (${minTtl} ms)`)
}

const host = checked('a name such as orders.example.com or orders.example.com:8080', (input) => {
  if (typeof input !== 'string') return undefined
  const parsed = parseAddress(/:\d+$/.test(input) ? input : `${input}:1`)
  if ('problem' in parsed || isIP(parsed.host) !== 0) return undefined
  return { name: parsed.host, port: /:\d+$/.test(input) ? parsed.port : undefined }
})

const service = record(
  {
    host,
    port: v.optional(integer(1, 65_535)),
    type: v.optional(oneOf(['address', 'srv']), 'address'),
    namespace: v.optional(namespaceName),
    locality: v.optional(locality, {}),
    metadata: v.optional(metadata, {}),
    ...ttls,
  },
  [],
  (written, report) => {
    ordered(written, report)
    if (written.port !== undefined && written.host?.port !== undefined) report(['port'], 'the host names a port already')
    if (written.type === 'srv' && (written.port ?? written.host?.port) !== undefined) report(['port'], 'SRV records name the port')
  },
)

type Service = v.InferOutput<typeof service>

const shortOrLong = v.lazy((input) =>
  typeof input === 'string'
    ? v.pipe(
        host,
        v.transform((written) => ({ host: written, type: 'address', locality: {}, metadata: {} }) as Service),
      )
    : service,
) as v.GenericSchema<unknown, Service>

const server = checked('the address of a DNS server, such as 10.0.0.53 or [fd00::53]:5353', (input) => {
  if (typeof input !== 'string') return undefined
  const parsed = parseAddress(input)
  return isIP(input) !== 0 || (!('problem' in parsed) && isIP(parsed.host) !== 0) ? input : undefined
})

const entries = {
  services: mapOf(text(253), shortOrLong),
  servers: v.optional(listOf('servers', server, (written, report) => written.size === 0 && report([], 'expected at least one'))),
  name: v.optional(text(253), 'dns'),
  namespace: v.optional(namespaceName),
  staleFor: v.optional(duration({ zero: true }), DEFAULT_LIFETIMES.staleMs),
  ...ttls,
}

type Settings = Fields<typeof entries>

/**
 * A source that finds the endpoints of services by DNS: every address behind a name, kept current by its TTL, and asked for at once
 * when an endpoint cannot be connected. What it found stays while servers fail.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function dnsSource(options: DnsSourceOptions): Source {
  const settings = parse(record(entries, [], ordered), options)
  if ('problems' in settings) throw configError(settings.problems.map((problem) => `dnsSource options: ${problem}`))
  const { output } = settings
  return { name: output.name, watch: (sink) => new DnsWatch(output, sink).stop }
}

/** The source at work for one mesh. */
class DnsWatch {
  private readonly settings: Settings
  private readonly sink: Sink
  private readonly resolver: DnsResolver
  private readonly followed = new Map<string, FollowedName>()
  private version = 0
  private failing: unknown = undefined
  readonly stop: Stop

  constructor(settings: Settings, sink: Sink) {
    const { clock, random, addressPolicy, onUnreachable } = sink.context
    const { servers, minTtl = DEFAULT_LIFETIMES.minTtlMs, maxTtl = Math.max(minTtl, DEFAULT_LIFETIMES.maxTtlMs), staleFor } = settings
    this.settings = settings
    this.sink = sink
    this.resolver = new DnsResolver({
      clock,
      random,
      addressPolicy,
      servers,
      lifetimes: { minTtlMs: minTtl, maxTtlMs: maxTtl, staleMs: staleFor },
      failed: (error) => {
        this.failing = error
        if (this.version > 0) this.deliver([], false)
      },
      recovered: () => {
        this.failing = undefined
        if (this.version > 0) this.deliver([], false)
      },
    })
    for (const [name, { host: written, type, minTtl: minTtlMs, maxTtl: maxTtlMs }] of settings.services)
      this.followed.set(
        name,
        this.resolver.follow(written.name, () => this.changed(name), { type, minTtlMs, maxTtlMs }),
      )
    const forget = onUnreachable((_, id) => this.unreachable(id))
    this.stop = () => {
      forget()
      this.resolver.close()
    }
    this.resolver.start()
    if (settings.services.size === 0) this.deliver([], true)
  }

  private changed(name: string): void {
    if (!this.resolver.settled && this.version === 0) return
    if (this.version > 0) this.deliver(this.endpointsOf(name), false)
    else this.deliver(Array.from(this.settings.services.keys(), (each) => [this.serviceOf(each), ...this.endpointsOf(each)]).flat(), true)
  }

  private deliver(upserts: Resource[], complete: boolean): void {
    this.version++
    // Until something was found there is no answer that somebody who waits for one could use.
    const found = this.settings.services.size === 0 || [...this.followed.values()].some(({ addresses }) => addresses.length > 0)
    this.sink.update({
      version: found ? String(this.version) : '',
      upserts,
      removals: [],
      complete,
      ...(this.failing === undefined ? {} : { failing: this.failing }),
    })
  }

  private serviceOf(name: string): Resource {
    return { kind: 'service', namespace: this.namespaceOf(name), name, hosts: [], ports: [], protocol: 'auto', place: this.placeOf(name) }
  }

  private endpointsOf(name: string): Resource[] {
    const service = this.settings.services.get(name) as Service
    const { addresses, failure } = this.followed.get(name) as FollowedName
    const endpoints = addresses.map((found) => endpointOf(service, found))
    const because = endpoints.length === 0 ? failure : undefined
    const base = { kind: 'endpoints', namespace: this.namespaceOf(name), name, endpoints, place: this.placeOf(name) } as const
    return [because === undefined ? base : { ...base, because }]
  }

  private placeOf(name: string): string {
    return `the DNS name ${this.settings.services.get(name)?.host.name}`
  }

  private namespaceOf(name: string): string {
    return this.settings.services.get(name)?.namespace ?? this.settings.namespace ?? this.sink.namespace
  }

  private unreachable(id: string): void {
    for (const [name, { host: written }] of this.settings.services)
      if (id.startsWith(`${written.name}#`)) this.followed.get(name)?.refresh()
  }
}

function endpointOf({ host: written, port: given, ...rest }: Service, found: ResolvedAddress): EndpointSpec {
  const port = found.port ?? given ?? written.port ?? 0
  const shown = isIP(found.address) === 6 ? `[${found.address}]` : found.address
  return Object.freeze({
    // One address may serve on several ports, and SRV records say so.
    id: `${written.name}#${found.port === undefined ? found.address : `${shown}:${found.port}`}`,
    address: port === 0 ? shown : `${shown}:${port}`,
    host: found.address,
    port,
    weight: found.weight,
    priority: found.priority,
    locality: Object.freeze(rest.locality as Locality),
    metadata: rest.metadata as Readonly<Record<string, string>>,
  })
}

import type { EndpointRecord } from './endpoint-record.ts'
import type { LatencyRecord } from './latency-record.ts'
import type { ReportedLoad } from './reported-load.ts'

/** Where a service runs: part of a zone, of a region. */
export interface Locality {
  region?: string | undefined
  zone?: string | undefined
  subZone?: string | undefined
}

/** What is configured about one endpoint. Immutable; compared field by field when a new set arrives. */
export interface EndpointSpec {
  /** Identity that survives a changed address (pod uid, registry id); the address when nothing better is known. */
  readonly id: string
  /** `host:port` as it is printed; IPv6 in brackets. */
  readonly address: string
  readonly host: string
  /** 0: the port of the URL. */
  readonly port: number
  readonly weight: number
  readonly priority: number
  readonly locality: Readonly<Locality>
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * One endpoint as it lives in this process. Its counters are keyed by service + id and outlive
 * configuration: a push, even a removal for less than a minute, makes nobody forget.
 */
export class Endpoint implements LatencyRecord {
  // What every call reads or writes comes first and together: of many endpoints each is cold when it is met.
  /** Tries under way now. */
  inflight = 0
  /** Connections open, or being opened. */
  connections = 0
  // What balancers go by that look at latency, beside what all of them read.
  heard = 0
  heardAt = 0
  latencyPeak = 0
  failing = 0
  sparedUntil = 0
  // Of its connections: how many tries one carries, how many use one, how many connections these hold.
  streams = 1
  using = 0
  held = 0
  /** Tries ever sent, those that succeeded and those that failed. */
  tries = 0
  successes = 0
  failures = 0
  consecutiveFailures = 0
  /** Ejections ever. */
  ejections = 0
  /** Outlier detection took it out of the balancer. */
  ejected = false
  /** Its ejection is over, and it stays out of use until one try, the probe, has succeeded. */
  recovering = false
  /** Active checks say that it is out of order, or that it works with less than it should. */
  unhealthy = false
  degraded = false
  /** What outlier detection counts; made at the first answer. */
  record: EndpointRecord | undefined = undefined
  /** What balancers go by that look at reported load, made at the first report. */
  load: ReportedLoad | undefined = undefined
  spec: EndpointSpec
  readonly service: string
  readonly id: string
  /** Clock time of the last ejection, and of its end. */
  ejectedAt = 0
  ejectedUntil = 0
  /** How far the next ejection has grown (it shrinks again while the endpoint behaves). */
  ejectionMultiplier = 0
  /** Tries that lost to their hedges since its last answer, and how many of them are waited for all the same. */
  lostInARow = 0
  outwaited = 0
  /** Why it was ejected last, in words. */
  ejectionReason: string | undefined = undefined
  /** Clock time at which the probe under way began; NaN when none is. */
  probedAt = Number.NaN
  /** What active checks said last, and when (clock time) that changed. */
  healthReason: string | undefined = undefined
  healthSince = Number.NEGATIVE_INFINITY
  /** Clock time at which it joined its service or last came back; slow start counts from here. */
  warmFrom = Number.NEGATIVE_INFINITY
  /** When (clock time) a connect last failed; another endpoint is preferred for a second. */
  connectFailedAt = Number.NEGATIVE_INFINITY
  /** When (clock time) it left the configuration; undefined while it is in it. */
  removedAt: number | undefined = undefined
  /** Number of the change of endpoints that named it last: whoever the newest does not name has left. */
  namedBy = 0

  constructor(service: string, spec: EndpointSpec) {
    this.service = service
    this.id = spec.id
    this.spec = spec
  }

  get address(): string {
    return this.spec.address
  }

  /** No first try goes to it. */
  get out(): boolean {
    return this.ejected || this.unhealthy
  }
}

/** The endpoints of one service that are in the configuration now, and which of them are out of use. */
export interface EndpointGroup {
  readonly all: readonly Endpoint[]
  /** How many of `all` are ejected. */
  readonly ejected: number
  /** How many more would be used if one more went out of use, since they are offered and not used; 0 where nobody says. */
  readonly spare?: number
  /** Takes `endpoint` out of use, or back. */
  setEjected(endpoint: Endpoint, ejected: boolean): void
  /** The ejection of `endpoint` is over: the next call may try it, one at a time. */
  awaitProbe(endpoint: Endpoint): void
}

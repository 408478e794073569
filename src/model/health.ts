import type { EndpointSpec } from '../core/endpoint.ts'
import type { Protocol } from './names.ts'
import type { HealthCheckSettings, TlsSettings } from './resources.ts'

/** What an endpoint was found to be. `ejected` comes from the calls, the others from checks, or from calls once an ejection is over. */
export type HealthState = 'healthy' | 'degraded' | 'unhealthy' | 'ejected'

/** A change of an endpoint's health. */
export interface HealthChange {
  readonly service: string
  /** `host:port`. */
  readonly endpoint: string
  readonly state: HealthState
  readonly reason: string
  /** `active`: a health check; `passive`: the calls themselves. */
  readonly source: 'active' | 'passive'
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Somebody who wants to know, such as a registry. What it throws or rejects with is logged, no more. */
export interface HealthReporter {
  report(change: HealthChange): void | Promise<void>
}

/** One probe: everything that is needed to ask one endpoint once. */
export interface ProbeRequest {
  readonly endpoint: EndpointSpec
  /** Where the endpoint itself names none. */
  readonly port: number
  /** Authority of the probe. */
  readonly host: string
  readonly settings: HealthCheckSettings
  /** What the service speaks. */
  readonly protocol: Protocol
  /** Undefined: clear text. */
  readonly tls: { readonly settings: TlsSettings | undefined; readonly serverName: string } | undefined
}

/** What came of a probe. */
export interface ProbeResult {
  /** Why it failed, in words; undefined when the endpoint is in order. */
  readonly failure: string | undefined
  /** The endpoint says that it works with less than it should (`x-envoy-degraded`). */
  readonly degraded: boolean
  /** The endpoint asks to be taken out at once (`x-envoy-immediate-health-check-fail`). */
  readonly immediate: boolean
}

/** Sends probes, past balancer and pools. It never rejects, and answers within the check's timeout. */
export interface Prober {
  probe(request: ProbeRequest): Promise<ProbeResult>
  /** Tears down what is under way. */
  close(): void
}

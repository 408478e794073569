import type { FailureKind } from '../core/outcome.ts'
import type { ResponseFlags } from '../core/response-flags.ts'
import type { Rejection } from './source.ts'

/** Everything a mesh tells while it works; payloads are plain JSON. Times are milliseconds. */
export interface MeshEvents {
  endpointEjected: { service: string; endpoint: string; reason: string; forMs: number; failures: number }
  endpointRestored: { service: string; endpoint: string; afterMs: number }
  endpointUnhealthy: { service: string; endpoint: string; reason: string }
  /** It passes its checks; `degraded` when it says that it works with less than it should. */
  endpointHealthy: { service: string; endpoint: string; reason: string; degraded: boolean }
  circuitOpened: { service: string; failurePercent: number; requests: number; openForMs: number }
  circuitClosed: { service: string; afterMs: number }
  configChanged: { version: number; services: string[]; source: string }
  configRejected: { source: string; rejections: readonly Rejection[] }
  sourceFailed: { source: string; error: unknown }
  sourceRecovered: { source: string }
  /** A further try was launched. `movedOn`: nothing had been sent, so it cost neither budget nor backoff. */
  retry: {
    service: string
    endpoint: string | undefined
    /** Number of the try that failed, from 1. */
    tries: number
    status: number
    kind: FailureKind | undefined
    /** Why the try failed, in Envoy's words; none when an answer came. */
    flags: ResponseFlags
    delayMs: number
    movedOn: boolean
  }
  /** Another endpoint is asked too: `endpoint` has not answered for `afterMs`, or another try of the call failed meanwhile. `tries`: those sent before. */
  hedge: { service: string; endpoint: string; tries: number; afterMs: number }
  /** A caller got the configured answer. `code`: of the error it stands in for; `status`: of the answer it stands in for, or 0. */
  fallback: { service: string; code: string | undefined; flags: ResponseFlags; status: number; answered: number }
  /** A fault was put in the way of a call; `delayMs` is 0 without a delay, `status` 0 without an answer. */
  faultInjected: { service: string; delayMs: number; status: number; code: string | undefined; flags: ResponseFlags }
  /** A gate said no; `flags`: why, in Envoy's words. */
  refused: { service: string; gate: string; code: string; flags: ResponseFlags; reason: string }
  /** A certificate and its key took the place of the former ones. `notAfter`: milliseconds since the epoch. */
  identityRotated: { id: string; notAfter: number; generation: number }
  /** Files of the identity or of a trust bundle (`what`) cannot be used; what was in force stays. */
  identityRejected: { what: string; reason: string }
  /** So many percent of its life are over and no new one came: 50, 80, 90, and 100 when it is over. */
  identityExpiring: { id: string; percent: number; notAfter: number; leftMs: number }
  /** Others are believed from now on. */
  trustChanged: { what: string; authorities: number; generation: number }
  /** A peer that connected to us was sent away for its certificate. */
  peerRejected: { address: string; reason: string }
}

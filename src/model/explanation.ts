import type { HedgeSettings } from './hedge.ts'
import type { LevelShare } from './locality.ts'
import type { CallOptions } from './options.ts'
import type { RetrySettings, TimeoutSettings } from './resources.ts'

/** What is told of each service that a call may go to. */
export type ExplainedBackend = Pick<
  Explanation,
  'candidates' | 'selection' | 'gates' | 'safeguards' | 'timeouts' | 'retry' | 'hedge' | 'tls' | 'protocol' | 'from'
> & {
  service: string
}

/** One endpoint of the service. */
export interface ExplainedCandidate {
  address: string
  /** `recovering`: its ejection is over, and one call at a time may try it. */
  state: 'healthy' | 'degraded' | 'unhealthy' | 'ejected' | 'recovering'
  /** Whether a first try may go there. */
  taken: boolean
  /** The chance that a first try goes there, 0–1; absent where nobody can tell. */
  share?: number
  because: string
}

/** Something that decides about calls, and where it stands. */
export interface ExplainedGate {
  name: string
  /** In a word or a figure. */
  state: string
  /** A sentence: what the state follows from, and what it means. */
  because: string
  /** Whether such a call would be let through now; absent where that is drawn, or is for nobody to say. */
  admits?: boolean
  from: string
}

/** The timeouts in force, and who set each. */
export interface ExplainedTimeouts extends TimeoutSettings {
  /** What a first try gets. */
  perTryTimeoutMs: number
  from: Record<keyof TimeoutSettings | 'perTryTimeoutMs', string>
}

/** Whether one kind of failure would be sent again. */
export interface ExplainedRetry {
  /** `connect-failure`, `reset`, `timeout`, `503` … */
  after: string
  again: boolean
  because: string
}

/** When another endpoint is asked too. `delayMs`: how long a try is waited for now; undefined when it is waited for as long as it takes. */
export type ExplainedHedge = HedgeSettings & { delayMs: number | undefined; applies: boolean; because: string }

/** Who said something of a call: its own options, those of `mesh.with` around it, or the request that came in and beneath which it is made. */
export type WishFrom = 'this call' | 'mesh.with' | 'the request that came in'

/** What a call asks for itself, and who said so; what nobody said is absent. `deadline`: milliseconds that are left of what it inherits. */
export type ExplainedWishes = {
  [Wish in keyof CallOptions | 'deadline']?: { value: string | number | boolean | Record<string, string>; from: WishFrom }
}

/** The answer of `mesh.explain`: what would happen to a request now, and which resource says so. */
export interface Explanation {
  /** `service` when the mesh serves the host, `answer` when a rule answers itself, else where the request would go. */
  route: {
    host: string
    service: string | undefined
    /** The name or pattern that the host matched. */
    match: string
    decision: 'service' | 'answer' | 'pass' | 'refuse'
    /** Where the host has a route: that, and the rule that decides. */
    route?: string
    rule?: string
    /** Where fractions decide among rules: how many of such calls get this one, 0–1; and those that others get. */
    share?: number
    others?: { rule: string | undefined; share: number }[]
  }
  /** Where the call may go, with the share of each, 0–1; what is told below is told of the one with the most. */
  backends: { service: string; share: number; subset?: string; metadata?: Record<string, string> }[]
  /** Present when the call says something of itself, or inherits it. */
  call?: ExplainedWishes
  candidates: ExplainedCandidate[]
  /** Present when this process uses a part of the service's endpoints only: `size` of each priority, of `of` endpoints in all. */
  subset?: {
    size: number
    of: number
    because: string
    /** Those that are used beside them because some are out of use: who it is that each stands in for, null where that one is back. */
    standIns?: { address: string; for: string | null }[]
  }
  /** Present while newer endpoints than these are being taken over. */
  changing?: string
  /** Present when only some of the endpoints are meant: which, and which take the call; undefined when nobody may. */
  selection?: { meant: string; taken: string | undefined; because: string; from: string }
  /** What each priority gets of the calls now, and why. */
  priorities?: LevelShare[]
  /** Everything that may hold the call up, in the order in which it is met. */
  gates: ExplainedGate[]
  /** What else guards the call: outlier detection, health checks, panic, a fallback. */
  safeguards: ExplainedGate[]
  timeouts: ExplainedTimeouts | undefined
  retry: (RetrySettings & { applies: boolean; idempotent: boolean; because: string; cases: ExplainedRetry[] }) | undefined
  /** Absent where hedging is off. */
  hedge?: ExplainedHedge
  /** What is changed on the way, and what is added. */
  rewrites: string[]
  tls: string
  /** What is spoken, in words. */
  protocol: string
  /** The resource behind each part. */
  from: Record<string, string>
  /** Where each resource that is named here was written, as far as its source says: `mesh.yaml:12:5`. */
  places?: Record<string, string>
  /** What is sent to an endpoint, where something is. */
  dial?: {
    /** As ALPN names it; both where the server may choose. */
    protocol: 'http/1.1' | 'h2' | 'h2, http/1.1'
    method: string
    path: string
    /** The `Host` of the request. */
    authority: string
    /** Asked for in the TLS handshake; absent in clear text. How the certificate is checked is in `tls`. */
    serverName?: string
    sans?: string[]
  }
  /** What a rule answers itself. */
  answer?: { status: number; headers: Record<string, string>; bodyBytes: number }
  /** The code of the error that the call ends with, where that is certain. */
  error?: string
  /** What a call that begins now waits for first: sources, names, our own identity. Absent when there is nothing. */
  waitsFor?: string[]
  /** The other backends of the rule. */
  alternatives?: ExplainedBackend[]
}

/** What `mesh.explain` is asked about. */
export interface ExplainRequest {
  url: string | URL
  method?: string
  headers?: Record<string, string>
  /** The options that the call would get. Those of `mesh.with` around the question hold as they do for a call. */
  mesh?: CallOptions
}

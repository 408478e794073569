import type { RetrySettings, TimeoutSettings } from './resources.ts'

/** What is told of each service that a call may go to. */
export type ExplainedBackend = Pick<Explanation, 'candidates' | 'gates' | 'timeouts' | 'retry' | 'tls' | 'protocol' | 'from'> & {
  service: string
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
  }
  /** Where the call may go, with the share of each, 0–1; what is told below is told of the one with the most. */
  backends: { service: string; share: number }[]
  candidates: { address: string; state: 'healthy' | 'degraded' | 'unhealthy' | 'ejected' | 'recovering'; taken: boolean; because: string }[]
  /** Present when this process uses a part of the service's endpoints only: `size` of each priority, of `of` endpoints in all. */
  subset?: { size: number; of: number; because: string }
  gates: { name: string; state: string; from: string }[]
  timeouts: TimeoutSettings | undefined
  retry: (RetrySettings & { applies: boolean; because: string }) | undefined
  rewrites: string[]
  tls: string
  /** What is spoken, in words. */
  protocol: string
  /** The resource behind each part. */
  from: Record<string, string>
  /** What a rule answers itself. */
  answer?: { status: number; headers: Record<string, string>; bodyBytes: number }
  /** The other backends of the rule. */
  alternatives?: ExplainedBackend[]
}

/** What `mesh.explain` is asked about. */
export interface ExplainRequest {
  url: string | URL
  method?: string
  headers?: Record<string, string>
}

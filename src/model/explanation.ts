import type { RetrySettings, TimeoutSettings } from './resources.ts'

/** The answer of `mesh.explain`: what would happen to a request now, and which resource says so. */
export interface Explanation {
  /** `service` when the mesh serves the host, else where the request would go. */
  route: { host: string; service: string | undefined; match: string; decision: 'service' | 'pass' | 'refuse' }
  backends: { service: string; share: number }[]
  candidates: { address: string; state: 'healthy' | 'degraded' | 'unhealthy' | 'ejected' | 'recovering'; taken: boolean; because: string }[]
  /** Present when this process uses a part of the service's endpoints only: `size` of each priority, of `of` endpoints in all. */
  subset?: { size: number; of: number; because: string }
  gates: { name: string; state: string; from: string }[]
  timeouts: TimeoutSettings | undefined
  retry: (RetrySettings & { applies: boolean; because: string }) | undefined
  rewrites: string[]
  tls: string
  /** The resource behind each part. */
  from: Record<string, string>
}

/** What `mesh.explain` is asked about. */
export interface ExplainRequest {
  url: string | URL
  method?: string
  headers?: Record<string, string>
}

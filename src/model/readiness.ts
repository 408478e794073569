import type { Duration } from '../core/duration.ts'

/** Where a process stands: `starting` until everything is there that it needs, `draining` once it was told to end. */
export type ReadinessState = 'starting' | 'ready' | 'draining' | 'closed'

/** What `mesh.health()` says. */
export interface HealthReport {
  /** Whether requests should be sent here. */
  readonly ready: boolean
  readonly state: ReadinessState
  /** What keeps it from being ready, in words; empty when it is. */
  readonly missing: readonly string[]
}

/** How a process leaves. */
export interface LifecycleOptions {
  /**
   * How long requests are taken as before after readiness went off, so that balancers and registries notice. Default 0; on Kubernetes
   * `5s` or what its endpoints take to get around.
   */
  drainDelay?: Duration
  /**
   * How long readiness waits for the first health check of every endpoint, counted from when all else is there. Default 10 s; 0: it does not
   * wait.
   */
  warmUpTimeout?: Duration
}

/** {@link LifecycleOptions}, checked. */
export interface LifecycleSettings {
  readonly drainDelayMs: number
  readonly warmUpTimeoutMs: number
}

/** Paths that are answered before anything is asked of a request: whoever probes proves nothing. */
export interface HealthPathOptions {
  /** Says that the process lives, and nothing more: `/livez`. Default: none. */
  liveness?: string
  /** Says whether requests should be sent here: `/readyz`. Default: none. */
  readiness?: string
  /** Whether `grpc.health.v1.Health` is answered too, over HTTP/2. Default false. */
  grpc?: boolean
}

/** {@link HealthPathOptions}, checked. */
export interface HealthPathSettings {
  readonly liveness: string | undefined
  readonly readiness: string | undefined
  readonly grpc: boolean
}

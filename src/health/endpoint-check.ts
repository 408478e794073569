import type { Endpoint } from '../core/endpoint.ts'
import type { HealthState, ProbeRequest, ProbeResult } from '../model/health.ts'
import type { HealthCheckSettings } from '../model/resources.ts'
import type { Due } from './schedule.ts'

/** The service that a check belongs to. */
export interface CheckedService {
  /** Whether it was ever called. */
  readonly hadTraffic: boolean
  request(endpoint: Endpoint, settings: HealthCheckSettings): ProbeRequest
  setHealth(endpoint: Endpoint, unhealthy: boolean, degraded: boolean): void
  healthChanged(endpoint: Endpoint, state: Exclude<HealthState, 'ejected'>, reason: string, source: 'active' | 'passive'): void
  /** A check that began at `startedAt` found `endpoint` in order. */
  checkPassed(endpoint: Endpoint, startedAt: number, now: number): void
}

/**
 * The active check of one endpoint: how often it failed or passed in a row, and when it is asked again. The verdict itself stands on
 * the endpoint and outlives this, so that a push, or a minute of absence, forgets nothing.
 *
 * An endpoint that was never asked is taken for healthy, where Envoy takes it for unhealthy: a process that has just started would
 * else call nobody for up to an interval, and outlier detection finds the dead ones by five calls.
 */
export class EndpointCheck implements Due {
  readonly endpoint: Endpoint
  settings: HealthCheckSettings
  dueAt = 0
  slot = -1
  /** Nobody wants to know any more. */
  stopped = false
  /** A probe came to its end, whatever it found: what can be known is known. */
  asked = false
  /** When its first probe would have been due, had nobody waited for it; undefined where nobody did. */
  phaseAt: number | undefined = undefined
  private readonly service: CheckedService
  private failed = 0
  private passed = 0

  constructor(endpoint: Endpoint, settings: HealthCheckSettings, service: CheckedService) {
    this.endpoint = endpoint
    this.settings = settings
    this.service = service
  }

  get request(): ProbeRequest {
    return this.service.request(this.endpoint, this.settings)
  }

  /** How long until it is asked again, before jitter. */
  get intervalMs(): number {
    const { intervalMs, unhealthyIntervalMs, noTrafficIntervalMs } = this.settings
    if (this.endpoint.unhealthy) return unhealthyIntervalMs ?? intervalMs
    return this.service.hadTraffic ? intervalMs : (noTrafficIntervalMs ?? 2 * intervalMs)
  }

  settle({ failure, degraded, immediate }: ProbeResult, startedAt: number, now: number): void {
    if (failure === undefined) this.pass(degraded, startedAt, now)
    else this.fail(failure, immediate, 'active')
  }

  /** The endpoint itself asked, in an answer to a call, to be taken out. */
  failAtOnce(reason: string): void {
    this.fail(reason, true, 'passive')
  }

  private pass(degraded: boolean, startedAt: number, now: number): void {
    const { endpoint, settings } = this
    this.failed = 0
    this.passed++
    if (settings.endsEjection) this.service.checkPassed(endpoint, startedAt, now)
    if (endpoint.unhealthy && this.passed < settings.healthyAfter) return
    if (!endpoint.unhealthy && endpoint.degraded === degraded) return
    const reason = degraded ? 'it says that it is degraded' : 'it passed its check'
    if (endpoint.unhealthy) endpoint.warmFrom = now
    endpoint.healthReason = degraded ? reason : undefined
    this.service.setHealth(endpoint, false, degraded)
    this.service.healthChanged(endpoint, degraded ? 'degraded' : 'healthy', reason, 'active')
  }

  private fail(failure: string, immediate: boolean, source: 'active' | 'passive'): void {
    const { endpoint, settings } = this
    this.passed = 0
    this.failed++
    if (endpoint.unhealthy) {
      endpoint.healthReason = failure
    } else if (immediate || this.failed >= settings.unhealthyAfter) {
      endpoint.healthReason = failure
      this.service.setHealth(endpoint, true, endpoint.degraded)
      this.service.healthChanged(endpoint, 'unhealthy', failure, source)
    }
  }
}

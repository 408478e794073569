import type { Described, Description } from '../core/described.ts'
import { formatDuration } from '../core/duration.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { spokenUrl } from '../core/redact.ts'
import type { HealthCheckSettings } from '../model/resources.ts'
import { type CheckedService, EndpointCheck } from './endpoint-check.ts'
import type { HealthMonitor } from './monitor.ts'

/** The active checks of one service: follows its endpoints and its settings. */
export class ServiceHealth implements Described {
  readonly name = 'health-check'
  readonly section = 'healthCheck'
  private settings: HealthCheckSettings | false = false
  private endpoints: readonly Endpoint[] = []
  private readonly checks = new Map<Endpoint, EndpointCheck>()
  private readonly monitor: HealthMonitor
  private readonly service: CheckedService

  constructor(monitor: HealthMonitor, service: CheckedService) {
    this.monitor = monitor
    this.service = service
  }

  /** Whether there is anything to look for in the answers. */
  get active(): boolean {
    return this.settings !== false
  }

  /** How many of its endpoints no check has come to a verdict on yet. */
  get unasked(): number {
    let count = 0
    for (const { asked } of this.checks.values()) if (!asked) count++
    return count
  }

  /** How many are checked. */
  get size(): number {
    return this.checks.size
  }

  describe(): Description {
    const { settings, endpoints } = this
    if (settings === false) return { state: 'off', because: 'nobody is asked' }
    const { type, method, path, intervalMs, timeoutMs, unhealthyAfter, healthyAfter } = settings
    const failing = endpoints.filter(({ unhealthy }) => unhealthy).length
    const asked = type === 'http' ? `${method} ${spokenUrl(path)}` : type
    const often = `${asked} each ${formatDuration(intervalMs)}, within ${formatDuration(timeoutMs)}`
    const because = `${often}; ${unhealthyAfter} failures take an endpoint out, ${healthyAfter} answers bring it back`
    return { state: `${failing} of ${endpoints.length} fail`, because }
  }

  reconfigure(settings: HealthCheckSettings | false): void {
    const former = this.settings
    if (former === settings) return
    this.settings = settings
    if (settings === false) {
      this.stop()
      return
    }
    const sooner = former === false || settings.intervalMs < former.intervalMs
    for (const check of this.checks.values()) {
      check.settings = settings
      if (sooner) this.monitor.reschedule(check)
    }
    this.endpointsChanged(this.endpoints)
  }

  endpointsChanged(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints
    const { settings } = this
    if (settings === false) {
      // One that was away when checks were switched off.
      for (const endpoint of endpoints) if (endpoint.unhealthy || endpoint.degraded) this.service.setHealth(endpoint, false, false)
      return
    }
    const wanted = new Set(endpoints)
    for (const [endpoint, check] of this.checks) {
      if (wanted.has(endpoint)) continue
      this.checks.delete(endpoint)
      this.monitor.remove(check)
    }
    for (const endpoint of wanted) {
      if (this.checks.has(endpoint)) continue
      const check = new EndpointCheck(endpoint, settings, this.service)
      this.checks.set(endpoint, check)
      this.monitor.add(check)
    }
  }

  /** An answer to a call carried `x-envoy-immediate-health-check-fail`. The next check that passes heals. */
  failAtOnce(endpoint: Endpoint): void {
    this.checks.get(endpoint)?.failAtOnce('it asked to be taken out (x-envoy-immediate-health-check-fail)')
  }

  /** Nobody is asked any more, and what was found out is forgotten. */
  private stop(): void {
    for (const [endpoint, check] of this.checks) {
      this.monitor.remove(check)
      endpoint.healthReason = undefined
      this.service.setHealth(endpoint, false, false)
    }
    this.checks.clear()
  }
}

import type { Endpoint } from '../core/endpoint.ts'
import type { MeshEvents } from '../model/events.ts'
import type { HealthChange, HealthState } from '../model/health.ts'
import type { OutlierListener } from '../resilience/ejections.ts'

/** Where news of endpoints goes. */
export interface NewsDesk {
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
  /** Tells the health reporters. */
  report(change: Omit<HealthChange, 'at'>): void
}

/** Turns what happens to the endpoints of one service into events and into words for the health reporters. */
export class EndpointNews implements OutlierListener {
  private readonly service: string
  private readonly desk: NewsDesk

  constructor(service: string, desk: NewsDesk) {
    this.service = service
    this.desk = desk
  }

  ejected({ address }: Endpoint, detail: { reason: string; forMs: number; failures: number }): void {
    this.desk.emit('endpointEjected', { service: this.service, endpoint: address, ...detail })
    this.report(address, 'ejected', detail.reason, 'passive')
  }

  restored(endpoint: Endpoint, detail: { afterMs: number }): void {
    const { address, unhealthy, degraded, healthReason } = endpoint
    this.desk.emit('endpointRestored', { service: this.service, endpoint: address, ...detail })
    const state = unhealthy ? 'unhealthy' : degraded ? 'degraded' : 'healthy'
    this.report(address, state, healthReason ?? 'its ejection is over', 'passive')
  }

  healthChanged({ address }: Endpoint, state: Exclude<HealthState, 'ejected'>, reason: string, source: 'active' | 'passive'): void {
    const told = { service: this.service, endpoint: address, reason }
    if (state === 'unhealthy') this.desk.emit('endpointUnhealthy', told)
    else this.desk.emit('endpointHealthy', { ...told, degraded: state === 'degraded' })
    this.report(address, state, reason, source)
  }

  private report(endpoint: string, state: HealthState, reason: string, source: 'active' | 'passive'): void {
    this.desk.report({ service: this.service, endpoint, state, reason, source })
  }
}

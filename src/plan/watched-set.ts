import { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Endpoint } from '../core/endpoint.ts'

/** An endpoint set that counts its changes, for whoever keeps parts of it. */
export class WatchedSet extends EndpointSet {
  /** Grows when endpoints come or go; and when anything about one of them changes. */
  memberships = 0
  changes = 0
  /** Told of every change of an endpoint. */
  onChange: (() => void) | undefined = undefined

  override replace(endpoints: readonly Endpoint[]): void {
    super.replace(endpoints)
    this.memberships++
    this.noteChange()
  }

  override setEjected(endpoint: Endpoint, ejected: boolean): void {
    super.setEjected(endpoint, ejected)
    this.noteChange()
  }

  override setHealth(endpoint: Endpoint, unhealthy: boolean, degraded: boolean): void {
    super.setHealth(endpoint, unhealthy, degraded)
    this.noteChange()
  }

  override callersChanged(): void {
    super.callersChanged()
    this.changes++
  }

  override awaitProbe(endpoint: Endpoint): void {
    super.awaitProbe(endpoint)
    this.changes++
  }

  private noteChange(): void {
    this.changes++
    this.onChange?.()
  }
}

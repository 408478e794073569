import { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Endpoint } from '../core/endpoint.ts'

/** An endpoint set that counts its changes, for the selections that are made of it. */
export class WatchedSet extends EndpointSet {
  /** Grows when endpoints come or go, or anything about one of them changes. */
  changes = 0
  /** Told of every change of an endpoint. */
  onChange: (() => void) | undefined = undefined
  /** Told when one of them may have gone out of use, or come back. */
  onUse: (() => void) | undefined = undefined

  override replace(endpoints: readonly Endpoint[]): void {
    super.replace(endpoints)
    this.noteChange()
  }

  override setEjected(endpoint: Endpoint, ejected: boolean): void {
    super.setEjected(endpoint, ejected)
    this.noteChange()
    this.onUse?.()
  }

  override setHealth(endpoint: Endpoint, unhealthy: boolean, degraded: boolean): void {
    super.setHealth(endpoint, unhealthy, degraded)
    this.noteChange()
    this.onUse?.()
  }

  override callersChanged(): void {
    super.callersChanged()
    this.changes++
  }

  override awaitProbe(endpoint: Endpoint): void {
    super.awaitProbe(endpoint)
    this.changes++
  }

  /** A call was sent to probe `endpoint`, by whichever selection: it waits for no other one, here or elsewhere. */
  probed(endpoint: Endpoint): void {
    this.setEjected(endpoint, endpoint.ejected)
  }

  private noteChange(): void {
    this.changes++
    this.onChange?.()
  }
}

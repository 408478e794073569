import type { Endpoint } from '../core/endpoint.ts'

/** When something last happened at any endpoint, and when at any other than a given one: three fields instead of one for each endpoint. */
export class LastHeard {
  private by: Endpoint | undefined = undefined
  private at = Number.NEGATIVE_INFINITY
  /** When it last happened at anybody but `by`. */
  private besideAt = Number.NEGATIVE_INFINITY

  note(endpoint: Endpoint, now: number): void {
    if (endpoint !== this.by) {
      this.besideAt = this.at
      this.by = endpoint
    }
    this.at = now
  }

  /** Clock time at which it last happened at another endpoint than this; -Infinity when it never did. */
  beside(endpoint: Endpoint): number {
    return endpoint === this.by ? this.besideAt : this.at
  }
}

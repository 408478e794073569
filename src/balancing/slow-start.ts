import type { Endpoint } from '../core/endpoint.ts'
import type { SlowStartSettings } from '../model/balancing.ts'

/**
 * The part of its weight that an endpoint may use `now`: max(min, (t ÷ window)^(1 ÷ aggression)), t from when it joined or came back,
 * at least 1 ms (as Envoy's code has it; its documentation says a second). 1 for who is warm, and that costs one comparison.
 */
export class SlowStart {
  private readonly settings: SlowStartSettings

  constructor(settings: SlowStartSettings) {
    this.settings = settings
  }

  share(endpoint: Endpoint, now: number): number {
    const { windowMs, minWeightPercent, aggression } = this.settings
    const age = now - endpoint.warmFrom
    if (age >= windowMs) return 1
    return Math.max(minWeightPercent / 100, (Math.max(1, age) / windowMs) ** (1 / aggression))
  }
}

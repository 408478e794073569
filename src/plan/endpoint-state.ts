import type { Endpoint } from '../core/endpoint.ts'
import type { Explanation } from '../model/explanation.ts'

/** What an endpoint of the configuration is now, in one word, and why it is not healthy; with `now` as the next call finds it. What the calls showed goes before the checks. */
export function endpointState(
  endpoint: Endpoint,
  now = Number.NEGATIVE_INFINITY,
): { state: Explanation['candidates'][number]['state']; reason: string | undefined } {
  const { ejected, ejectedUntil } = endpoint
  // Its time is over, though no call has looked since.
  if (ejected && ejectedUntil <= now) return { state: 'recovering', reason: endpoint.ejectionReason }
  if (ejected) return { state: endpoint.recovering ? 'recovering' : 'ejected', reason: endpoint.ejectionReason }
  if (endpoint.unhealthy) return { state: 'unhealthy', reason: endpoint.healthReason }
  if (endpoint.degraded) return { state: 'degraded', reason: endpoint.healthReason }
  return { state: 'healthy', reason: undefined }
}

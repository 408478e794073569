import type { Endpoint } from '../core/endpoint.ts'
import type { Explanation } from '../model/explanation.ts'

/** What an endpoint of the configuration is now, in one word, and why it is not healthy. What the calls showed goes before the checks. */
export function endpointState(endpoint: Endpoint): { state: Explanation['candidates'][number]['state']; reason: string | undefined } {
  if (endpoint.ejected) return { state: endpoint.recovering ? 'recovering' : 'ejected', reason: endpoint.ejectionReason }
  if (endpoint.unhealthy) return { state: 'unhealthy', reason: endpoint.healthReason }
  if (endpoint.degraded) return { state: 'degraded', reason: endpoint.healthReason }
  return { state: 'healthy', reason: undefined }
}

import type { CompiledRule } from '../resilience/outbound-policies.ts'
import type { ServicePlan } from './service-plan.ts'

/** Where traffic policies send a request in the end, and over which rules; or why it cannot go there. */
export type Redirected =
  | { readonly plan: ServicePlan; readonly by: readonly CompiledRule[] }
  | { readonly problem: string; readonly code: 'MESH_UNKNOWN_SERVICE' | 'MESH_FORBIDDEN'; readonly by: CompiledRule }

/**
 * Follows the redirects of traffic policies. The policies of the service that it leads to are asked as well, so that no detour
 * leads around a deny; redirects in a circle end after a few turns.
 */
export function followRedirects(
  first: ServicePlan,
  method: string,
  path: string,
  find: (name: string) => ServicePlan | undefined,
): Redirected {
  const by: CompiledRule[] = []
  let plan = first
  while (plan.protections.policies?.redirects === true) {
    const decided = plan.protections.policies.decide(method, path)
    const to = decided?.rule.action === 'redirect' ? decided.rule.redirectTo : undefined
    if (decided === undefined || to === undefined || to === plan.name) break
    if (by.length === MAX_REDIRECTS)
      return { problem: `the policy ${decided.name} redirects in a circle`, code: 'MESH_FORBIDDEN', by: decided }
    const next = find(to)
    if (next === undefined)
      return { problem: `the policy ${decided.name} redirects to ${to}, which is no service`, code: 'MESH_UNKNOWN_SERVICE', by: decided }
    by.push(decided)
    plan = next
  }
  return { plan, by }
}

const MAX_REDIRECTS = 8

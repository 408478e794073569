import { DEFAULT_HEALTH_CHECK, DEFAULT_LANES, DEFAULT_POLICY, DEFAULT_TLS } from '../model/defaults.ts'
import { DEFAULT_HEDGE } from '../model/hedge.ts'
import type { Policy, PolicySections, Provenance } from '../model/resources.ts'

/** One writer of policy sections, and who it is. */
export interface PolicyLayer {
  readonly sections: PolicySections
  readonly from: Provenance
}

const SECTIONS = [
  'balancing',
  'subset',
  'timeouts',
  'retry',
  'hedge',
  'circuitBreaker',
  'outlierDetection',
  'healthCheck',
  'panicPercent',
  'limits',
  'rateLimit',
  'fault',
  'fallback',
  'lanes',
  'tls',
] as const satisfies readonly (keyof Policy)[]

/**
 * The policy in force: the defaults, overlaid by each layer, field by field inside a section; a section that is `false`
 * is off until a later layer writes it. `from` names who wrote each section last.
 */
export function mergePolicy(layers: readonly PolicyLayer[]): { policy: Policy; from: Record<string, Provenance> } {
  const policy: Record<string, unknown> = { ...DEFAULT_POLICY }
  const from: Record<string, Provenance> = {}
  for (const section of SECTIONS) {
    from[section] = { source: 'built-in', kind: 'defaults', namespace: '', name: 'inmesh', section }
    for (const layer of layers) {
      const written = layer.sections[section]
      if (written === undefined) continue
      policy[section] = overlay(policy[section], written, BUILT_IN[section])
      from[section] = { ...layer.from, section }
    }
  }
  // No re-sends, and the rest of the section as it would be.
  if (policy['retry'] === false) policy['retry'] = Object.freeze({ ...DEFAULT_POLICY.retry, attempts: 0 })
  return { policy: Object.freeze(policy) as unknown as Policy, from }
}

/** What a section starts from when what is below has none. */
const BUILT_IN: Readonly<Record<(typeof SECTIONS)[number], unknown>> = {
  ...DEFAULT_POLICY,
  hedge: DEFAULT_HEDGE,
  healthCheck: DEFAULT_HEALTH_CHECK,
  lanes: DEFAULT_LANES,
  tls: DEFAULT_TLS,
}

function overlay(below: unknown, written: unknown, builtIn: unknown): unknown {
  if (typeof written !== 'object' || written === null) return written
  const base = [below, builtIn].find((each) => typeof each === 'object' && each !== null)
  return Object.freeze({ ...(base as object | undefined), ...written })
}

import { DEFAULT_ADAPTIVE_CONCURRENCY } from '../model/adaptive-concurrency.ts'
import { DEFAULT_HEALTH_CHECK, DEFAULT_LANES, DEFAULT_POLICY, DEFAULT_TLS } from '../model/defaults.ts'
import { DEFAULT_HEDGE } from '../model/hedge.ts'
import { DEFAULT_ENVOY_OUTLIERS, DEFAULT_GRPC_OUTLIERS, type OutlierSections } from '../model/outlier-detection.ts'
import type { Policy, PolicySections, Provenance } from '../model/resources.ts'
import { DEFAULT_THROTTLE } from '../model/throttle.ts'

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
  'priorities',
  'locality',
  'limits',
  'adaptiveConcurrency',
  'throttle',
  'rateLimit',
  'fault',
  'fallback',
  'lanes',
  'subsets',
  'tls',
] as const satisfies readonly (keyof Policy)[]

/**
 * The policy in force: the defaults, overlaid by each layer, field by field inside a section; a section that is `false`
 * is off until a later layer writes it. `from` names who wrote each section last, and
 * who wrote the timeouts that he did not.
 */
export function mergePolicy(layers: readonly PolicyLayer[]): { policy: Policy; from: Record<string, Provenance> } {
  const policy: Record<string, unknown> = { ...DEFAULT_POLICY }
  const from: Record<string, Provenance> = {}
  for (const section of SECTIONS) {
    from[section] = builtIn(section)
    for (const layer of layers) {
      const written = layer.sections[section]
      if (written === undefined) continue
      policy[section] =
        section === 'outlierDetection'
          ? overlayOutliers(policy[section], written as OutlierSections | false)
          : overlay(policy[section], written, BUILT_IN[section])
      from[section] = { ...layer.from, section }
    }
  }
  noteFields(layers, from)
  // No re-sends, and the rest of the section as it would be.
  if (policy['retry'] === false) policy['retry'] = Object.freeze({ ...DEFAULT_POLICY.retry, attempts: 0 })
  return { policy: Object.freeze(policy) as unknown as Policy, from }
}

/** Which timeouts somebody else wrote than the one who wrote the section last: `timeouts.idleTimeoutMs`. */
function noteFields(layers: readonly PolicyLayer[], from: Record<string, Provenance>): void {
  const writers = layers.filter(({ sections }) => sections.timeouts !== undefined)
  if (writers.length === 0) return
  for (const field of Object.keys(DEFAULT_POLICY.timeouts)) {
    const layer = writers.findLast(({ sections }) => field in (sections.timeouts as object))
    if (layer === writers.at(-1)) continue
    from[`timeouts.${field}`] = layer === undefined ? builtIn('timeouts') : { ...layer.from, section: 'timeouts' }
  }
}

function builtIn(section: string): Provenance {
  return { source: 'built-in', kind: 'defaults', namespace: '', name: 'inmesh', section }
}

/** What a section starts from when what is below has none. */
const BUILT_IN: Readonly<Record<(typeof SECTIONS)[number], unknown>> = {
  ...DEFAULT_POLICY,
  adaptiveConcurrency: DEFAULT_ADAPTIVE_CONCURRENCY,
  throttle: DEFAULT_THROTTLE,
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

/** Fields of one algorithm mean nothing to another: a section that names another than what is below starts from its defaults. */
function overlayOutliers(below: unknown, written: OutlierSections | false): unknown {
  if (written === false) return false
  const { algorithm = 'inmesh' } = written
  const same = (below as OutlierSections | false) !== false && (below as OutlierSections).algorithm === algorithm
  return overlay(same ? below : undefined, written, OUTLIERS[algorithm])
}

const OUTLIERS = { inmesh: DEFAULT_POLICY.outlierDetection, envoy: DEFAULT_ENVOY_OUTLIERS, grpc: DEFAULT_GRPC_OUTLIERS } as const

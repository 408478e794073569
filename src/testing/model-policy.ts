import { mergePolicy } from '../config/merge-policy.ts'
import { parseMeshOptions } from '../config/mesh-options.ts'
import type { PolicyOptions } from '../model/options.ts'
import type { Policy } from '../model/resources.ts'

/**
 * The policy that `createMesh` would make of these options.
 * @throws MeshError `MESH_CONFIG` as `createMesh` does; TypeError for a section that the model cannot show
 */
export function modelPolicy(options: PolicyOptions): Policy {
  const { defaults } = parseMeshOptions({ defaults: options })
  for (const section of NOT_MODELLED) {
    if (defaults[section] !== undefined && defaults[section] !== false) throw new TypeError(`policy.${section} is not modelled`)
  }
  const from = { source: 'options', kind: 'defaults', namespace: '', name: 'model' } as const
  return mergePolicy([{ sections: defaults, from }]).policy
}

/** A figure that left out what was asked for would be worse than none. */
const NOT_MODELLED = ['subsets', 'healthCheck', 'limits', 'rateLimit', 'fault', 'fallback', 'tls'] as const

import { describe, expect, it } from 'vitest'
import { mergePolicy } from '../../../src/config/merge-policy.ts'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import type { PolicyOptions } from '../../../src/index.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { Policy } from '../../../src/model/resources.ts'
import { meshErrorIn } from '../../support/scenario.ts'

function policyOf(...written: PolicyOptions[]): Policy {
  const from = { source: 'options', kind: 'defaults', namespace: '', name: 'test' } as const
  return mergePolicy(written.map((defaults) => ({ sections: parseMeshOptions({ defaults }).defaults, from }))).policy
}

function problemOf(defaults: object): string {
  try {
    parseMeshOptions({ defaults })
  } catch (error) {
    return meshErrorIn(error)?.reason ?? ''
  }
  return 'none'
}

describe('locality, priorities and the priorities of further tries', () => {
  it.each<[written: PolicyOptions, expected: object]>([
    [{ locality: { minEndpoints: 3 } }, { locality: { ...DEFAULT_POLICY.locality, minEndpoints: 3 } }],
    [{ locality: false }, { locality: false }],
    [{ locality: { forceLocalZone: true } }, { locality: { forceLocalZone: 1 } }],
    [{ locality: { forceLocalZone: { minEndpoints: 4 } } }, { locality: { forceLocalZone: 4 } }],
    [{ locality: { forceLocalZone: false } }, { locality: { forceLocalZone: false } }],
    [
      { locality: { mode: 'weighted', weights: { eu: 1, 'eu/eu-1': 0, constructor: 2 } } },
      {
        locality: {
          mode: 'weighted',
          weights: [
            { place: 'eu', weight: 1 },
            { place: 'eu/eu-1', weight: 0 },
            { place: 'constructor', weight: 2 },
          ],
        },
      },
    ],
    [{ locality: { mode: 'failover' } }, { locality: { mode: 'failover', failover: undefined } }],
    [{ locality: { mode: 'failover', failover: [{ from: 'eu', to: 'us' }] } }, { locality: { failover: [{ from: 'eu', to: 'us' }] } }],
    [{ priorities: { overprovisioningPercent: 100 } }, { priorities: { overprovisioningPercent: 100, failTrafficOnPanic: false } }],
    [{ priorities: { failTrafficOnPanic: true } }, { priorities: { overprovisioningPercent: 140, failTrafficOnPanic: true } }],
    [{ retry: { otherPriorities: true } }, { retry: { otherPrioritiesAfter: 1 } }],
    [{ retry: { otherPriorities: { after: 2 } } }, { retry: { otherPrioritiesAfter: 2 } }],
    [{ retry: { otherPriorities: false } }, { retry: { otherPrioritiesAfter: false } }],
  ])('%j', (written, expected) => expect(policyOf(written)).toMatchObject(expected))

  it('a later layer changes single fields, and switches on what was off', () => {
    expect(policyOf({ locality: { minEndpoints: 3 } }, { locality: { forceLocalZone: true } }).locality).toMatchObject({
      minEndpoints: 3,
      forceLocalZone: 1,
    })
    expect(policyOf({ locality: false }, { locality: { minEndpoints: 4 } }).locality).toEqual({
      ...DEFAULT_POLICY.locality,
      minEndpoints: 4,
    })
  })

  it.each([
    [{ locality: { mode: 'near' } }, 'defaults.locality.mode: expected zone-aware, weighted, failover, got "near"'],
    [{ locality: true }, 'defaults.locality: expected an object, got true'],
    [{ locality: { minEndpoints: 0 } }, 'defaults.locality.minEndpoints: expected an integer from 1 to 1000000, got 0'],
    [{ locality: { forceLocalZone: 3 } }, 'defaults.locality.forceLocalZone: expected a boolean, got 3'],
    [
      { locality: { forceLocalZone: {} } },
      'defaults.locality.forceLocalZone.minEndpoints: expected an integer from 1 to 1000000, got undefined',
    ],
    [{ locality: { mode: 'weighted' } }, 'defaults.locality.weights: expected the weights of places, which mode weighted needs'],
    [{ locality: { mode: 'failover', weights: { eu: 1 } } }, 'defaults.locality.weights: goes with mode weighted, not with failover'],
    [
      { locality: { mode: 'weighted', weights: { eu: 0 } } },
      'defaults.locality.weights: expected at least one place with a weight above 0',
    ],
    [
      { locality: { weights: { 'eu//a': 1 } } },
      'defaults.locality.weights["eu//a"]: name: expected a region, region/zone or region/zone/subZone, got "eu//a"',
    ],
    [{ locality: { weights: { eu: 1.5 } } }, 'defaults.locality.weights.eu: expected an integer from 0 to 1000000, got 1.5'],
    [{ locality: { failover: [{ from: 'eu', to: 'eu' }] } }, 'defaults.locality.failover[0].to: expected another region than from'],
    [
      { priorities: { overprovisioningPercent: 1.4 } },
      'defaults.priorities.overprovisioningPercent: expected a percentage from 100 to 1000, got 1.4; did you mean 140?',
    ],
    [
      { priorities: { overprovisioningPercent: 99 } },
      'defaults.priorities.overprovisioningPercent: expected a percentage from 100 to 1000, got 99',
    ],
    [{ priorities: { failTrafficOnPanic: 1 } }, 'defaults.priorities.failTrafficOnPanic: expected a boolean, got 1'],
    [{ retry: { otherPriorities: { after: 0 } } }, 'defaults.retry.otherPriorities.after: expected an integer from 1 to 10, got 0'],
    [{ retry: { otherPriorities: 2 } }, 'defaults.retry.otherPriorities: expected a boolean, got 2'],
  ])('%j: %s', (written, problem) => expect(problemOf(written)).toContain(problem))
})

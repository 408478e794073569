import { describe, expect, it } from 'vitest'
import { mergePolicy } from '../../../src/config/merge-policy.ts'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import type { MeshOptions } from '../../../src/index.ts'
import type { BalancingSettings } from '../../../src/model/balancing.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { Policy, TrafficPolicyResource } from '../../../src/model/resources.ts'
import { meshErrorIn } from '../../support/scenario.ts'

const orders = (policy: object): MeshOptions => ({ services: { orders: policy } }) as MeshOptions

function problemsOf(policy: object): string[] {
  try {
    parseMeshOptions(orders(policy))
    return []
  } catch (error) {
    return (meshErrorIn(error)?.reason ?? '').split('\n').map((line) => line.replace('services.orders.', ''))
  }
}

function settingsOf(balancing: object): BalancingSettings {
  return policyOf({ balancing }).balancing
}

function policyOf(written: object): Policy {
  const { resources } = parseMeshOptions(orders(written))
  const from = { source: 'options', kind: 'traffic-policy', namespace: 'default', name: 'orders' } as const
  const policies = resources.filter((resource): resource is TrafficPolicyResource => resource.kind === 'traffic-policy')
  return mergePolicy(policies.map(({ policy: sections }) => ({ sections, from }))).policy
}

describe('balancing', () => {
  it.each([
    [{ policy: 'maglev' }, { policy: 'maglev' }],
    [{ maglev: { tableSize: 5_000_011 } }, { maglev: { tableSize: 5_000_011 } }],
    [{ ringHash: { minSize: 10 } }, { ringHash: { minSize: 10, maxSize: 8_388_608 } }],
    [{ peakEwma: { decay: '600ms' } }, { peakEwma: { decayMs: 600 } }],
    [{ peakEwma: {} }, { peakEwma: { decayMs: 10_000 } }],
    [{ boundedLoad: 1.25 }, { boundedLoad: 1.25 }],
    [
      {
        hashOn: [
          { header: 'X-User' },
          { cookie: { name: 'id', ttl: '1h', path: '/a' }, terminal: true },
          { cookie: { name: 'id', ttl: 0 } },
          { query: 'q' },
          { source: true },
        ],
      },
      {
        hashOn: [
          { header: 'x-user', terminal: false },
          { cookie: { name: 'id', ttlMs: 3_600_000, path: '/a' }, terminal: true },
          { cookie: { name: 'id', ttlMs: 0 }, terminal: false },
          { query: 'q', terminal: false },
          { source: true, terminal: false },
        ],
      },
    ],
    [{ loadReports: true }, { loadReports: { blackoutMs: 10_000, expiryMs: 180_000, updateMs: 1_000, errorPenalty: 1, metrics: [] } }],
    [
      { loadReports: { blackout: 0, update: '100ms', metrics: ['named_metrics.queue', 'mem_utilization'] } },
      {
        loadReports: {
          blackoutMs: 0,
          expiryMs: 180_000,
          updateMs: 100,
          errorPenalty: 1,
          metrics: ['named_metrics.queue', 'mem_utilization'],
        },
      },
    ],
    [{ loadReports: false }, {}],
    [{ session: { header: 'X-Session', strict: true } }, { session: { header: 'x-session', strict: true } }],
    [{ session: { cookie: { name: 's' } } }, { session: { cookie: { name: 's' }, strict: false } }],
  ])('%j', (written, expected) => expect(settingsOf(written)).toEqual({ ...DEFAULT_POLICY.balancing, ...expected }))

  it.each([
    [{ maglev: { tableSize: 65_536 } }, ['balancing.maglev.tableSize: expected a prime from 2 to 5000011, got 65536']],
    [{ maglev: { tableSize: 5_000_077 } }, ['balancing.maglev.tableSize: expected a prime from 2 to 5000011, got 5000077']],
    [{ ringHash: { minSize: 0 } }, ['balancing.ringHash.minSize: expected an integer from 1 to 8388608, got 0']],
    [{ ringHash: { maxSize: 100 } }, ['balancing.ringHash.maxSize: expected at least ringHash.minSize (1024), got 100']],
    [{ boundedLoad: 0.9 }, ['balancing.boundedLoad: expected a number from 1 to 100, got 0.9']],
    [{ boundedLoad: Number.NaN }, ['balancing.boundedLoad: expected a number from 1 to 100, got NaN']],
    [{ hashOn: { header: 'a' } }, ['balancing.hashOn: expected a list of things to hash, got an object']],
    [{ hashOn: [{}] }, ['balancing.hashOn[0]: expected exactly one of header, cookie, query, source, got none']],
    [
      { hashOn: [{ header: 'a', query: 'b' }] },
      ['balancing.hashOn[0]: expected exactly one of header, cookie, query, source, got header, query'],
    ],
    [{ hashOn: [{ source: true, port: 1 }] }, ['balancing.hashOn[0].port: unknown key']],
    [{ hashOn: [{ cookie: { name: 'a=b' } }] }, ['balancing.hashOn[0].cookie.name: expected the name of a cookie, got "a=b"']],
    [
      { session: { cookie: { name: 'a', path: '/;x' } } },
      ['balancing.session.cookie.path: expected a path that begins with \'/\', got "/;x"'],
    ],
    [{ session: {} }, ['balancing.session: expected exactly one of cookie, header, got none']],
    [{ loadReports: { update: 50 } }, ['balancing.loadReports.update: expected at least 100ms, got 50ms']],
    [
      { loadReports: { metrics: ['queue'] } },
      ['balancing.loadReports.metrics[0]: expected a metric such as named_metrics.queue, got "queue"'],
    ],
    [{ loadReports: 'yes' }, ['balancing.loadReports: expected an object, got "yes"']],
  ])('refuses %j', (written, problems) => expect(problemsOf({ balancing: written })).toEqual(problems))
})

describe('subset', () => {
  it.each([
    [{ size: 0 }, ['subset.size: expected an integer from 1 to 1000000, got 0']],
    [{}, ['subset.size: expected an integer from 1 to 1000000, got undefined']],
    ['most', ['subset: expected all, auto, got "most"']],
    [false, ['subset: expected an object, got false']],
  ])('refuses %j', (written, problems) => expect(problemsOf({ subset: written })).toEqual(problems))

  it.each([[{ size: 20 }], ['all'], ['auto']])('takes %j', (written) => expect(policyOf({ subset: written }).subset).toEqual(written))
})

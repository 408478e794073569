import { describe, expect, it } from 'vitest'
import { problemsOf as problemsOfResource } from '../../../src/config/check-resource.ts'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { ConfigStore } from '../../../src/config/store.ts'
import { type NamedSubsetOptions, staticSource } from '../../../src/index.ts'
import { problemsOf } from '../../support/config-problems.ts'

const V2 = { v2: { version: 'v2' } }
const orders = (subsets: unknown) => ({ services: { orders: { subsets } } })
const backend = (more: object, options: object = {}) => ({
  services: { orders: { subsets: V2 } },
  routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders', ...more }] }] }],
  ...options,
})
const AT = 'routes[0].rules[0].backends[0]'
const OF = 'services.orders.subsets'

describe('bad subsets', () => {
  it.each<[options: unknown, problems: string[]]>([
    [orders(['v2']), [`${OF}: expected an object, got a list`]],
    [orders({ v2: {} }), [`${OF}.v2: expected at least one key`]],
    [orders({ v2: 'v2' }), [`${OF}.v2: expected an object, got "v2"`]],
    [orders({ v2: { version: 2 } }), [`${OF}.v2.version: expected text, got 2`]],
    [orders({ v2: { metadata: { version: ['v2'] } } }), [`${OF}.v2.metadata.version: expected text, got a list`]],
    [
      orders({ v2: { version: 'v2', otherwise: 'any' } }),
      [`${OF}.v2.version: unknown key`, `${OF}.v2.metadata: expected an object, got undefined`],
    ],
    [
      orders({ any: V2.v2, none: V2.v2 }),
      ['any', 'none'].map((name) => `${OF}.${name}: name: any and none are words of otherwise, and no names of subsets`),
    ],
    [
      orders({ v2: { metadata: V2.v2, otherwise: 'all' } }),
      [`${OF}.v2.otherwise: expected none, any or a list of subsets and metadata, got "all"`],
    ],
    [orders({ v2: { metadata: V2.v2, otherwise: 7 } }), [`${OF}.v2.otherwise: expected a list of places, got 7`]],
    [
      orders({ v2: { metadata: V2.v2, otherwise: [{}, 3] } }),
      [`${OF}.v2.otherwise[0]: expected at least one key`, `${OF}.v2.otherwise[1]: expected an object, got 3`],
    ],
    [
      orders({ v2: { metadata: V2.v2, otherwise: ['any', { version: 'v1' }] } }),
      [`${OF}.v2.otherwise[0]: any endpoint will do from here on, so nothing may follow`],
    ],
    [
      orders({ v2: { metadata: V2.v2, otherwise: ['none'] } }),
      [`${OF}.v2.otherwise[0]: a list ends with nowhere by itself: leave "none" out`],
    ],
    [
      orders({ v2: { metadata: V2.v2, otherwise: ['v1'] } }),
      [`${OF}.v2.otherwise[0]: "v1" is no subset of this service, did you mean "v2"?`],
    ],
    [
      { services: { orders: { subset: V2 } } },
      [
        'services.orders.subset.v2: unknown key',
        'services.orders.subset.size: expected an integer from 1 to 1000000, got undefined',
        'services.orders.subset: says how many endpoints are used; those with a name stand under subsets',
      ],
    ],
    [backend({ subset: 'v3' }), [`${AT}.subset: "v3" is no subset of orders, did you mean "v2"?`]],
    [backend({ subset: 'v2', otherwise: ['canary'] }), [`${AT}.otherwise[0]: "canary" is no subset of orders`]],
    [backend({ subset: '' }), [`${AT}.subset: expected text of 1 to 253 characters without control characters, got ""`]],
    [backend({ subset: 'v2', metadata: V2.v2 }), [`${AT}: subset and metadata exclude each other`]],
    [backend({ metadata: {} }), [`${AT}.metadata: expected at least one key`]],
    [backend({ otherwise: 'any' }), [`${AT}.otherwise: goes with subset or metadata`]],
    [
      {
        ...backend({}),
        routes: [{ hosts: ['shop'], rules: [{ backends: [{ service: 'orders' }], mirror: [{ service: 'orders', subset: 'v3' }] }] }],
      },
      ['routes[0].rules[0].mirror[0].subset: "v3" is no subset of orders, did you mean "v2"?'],
    ],
    [
      { defaults: { subsets: { v2: { metadata: V2.v2, otherwise: ['v9'] } } } },
      ['defaults.subsets.v2.otherwise[0]: "v9" is no subset of any service, did you mean "v2"?'],
    ],
    [
      { ...backend({ subset: 'v2' }), services: { orders: { subsets: false } }, defaults: { subsets: V2 } },
      [`${AT}.subset: "v2" is no subset of orders`],
    ],
  ])('%j', (options, problems) => expect(problemsOf(options)).toEqual(problems))

  it.each<[options: unknown]>([
    [backend({ subset: 'v2' })],
    [backend({ subset: 'v2', otherwise: [{ version: 'v1' }, 'any'] })],
    [{ ...backend({ subset: 'v2' }), services: { orders: {} }, defaults: { subsets: V2 } }],
    // A source may name it.
    [backend({ subset: 'v3' }, { sources: [staticSource({})] })],
    [orders(false)],
  ])('%j is right', (options) => expect(problemsOf(options)).toEqual([]))
})

describe('what a source of somebody else makes', () => {
  const AT = { namespace: 'default', name: 'orders' }
  const rule = { name: 'all', matches: [], caseSensitive: true, mirror: [], hash: [] }
  const routed = (more: object) => ({
    ...AT,
    kind: 'route',
    order: 0,
    hosts: ['shop'],
    rules: [{ ...rule, backends: [{ service: 'orders', weight: 1, ...more }] }],
  })

  it.each<[subsets: unknown, right: boolean]>([
    [{ v2: { metadata: V2.v2, otherwise: [] } }, true],
    [{ v2: { metadata: V2.v2, otherwise: [{ any: true }, { subset: 'v1' }, { metadata: {} }] } }, true],
    [false, true],
    [undefined, true],
    [{ v2: V2.v2 }, false],
    [{ v2: null }, false],
    [{ v2: { metadata: { version: 2 }, otherwise: [] } }, false],
    [{ v2: { metadata: V2.v2, otherwise: [null] } }, false],
    [[], false],
  ])('subsets %j: %s', (subsets, right) =>
    expect(problemsOfResource({ ...AT, kind: 'traffic-policy', policy: { subsets } })).toEqual(
      right ? [] : ['policy.subsets: expected metadata and otherwise under each name'],
    ),
  )

  it.each<[more: object, right: boolean]>([
    [{ subset: 'v2', otherwise: [{ any: true }] }, true],
    [{ metadata: V2.v2 }, true],
    [{ subset: 2 }, false],
    [{ metadata: null }, false],
    [{ metadata: V2.v2, otherwise: 'any' }, false],
  ])('a backend with %j: %s', (more, right) =>
    expect(problemsOfResource(routed(more))).toEqual(right ? [] : ['rules: all has a broken subset, metadata or otherwise']),
  )
})

describe('subsets', () => {
  function policyOf(subsets: Record<string, NamedSubsetOptions> | false, common?: Record<string, NamedSubsetOptions>) {
    const { resources, defaults, namespace } = parseMeshOptions({
      ...orders(subsets),
      ...(common === undefined ? {} : { defaults: { subsets: common } }),
    })
    const store = new ConfigStore({ namespace, defaults, resources, onChange: () => {} })
    return store.snapshot.services.get('default/orders')
  }

  it('are metadata, and where calls go otherwise', () => {
    expect(
      policyOf({
        v2: { version: 'v2' },
        eu: { metadata: { region: 'eu' }, otherwise: 'any' },
        us: { metadata: { region: 'us' }, otherwise: ['eu', { version: 'v1' }, 'any'] },
        off: { metadata: { region: 'x' }, otherwise: 'none' },
        // Names and labels are outside text like any other.
        constructor: { metadata: 'label' },
      })?.policy.subsets,
    ).toEqual({
      v2: { metadata: { version: 'v2' }, otherwise: [] },
      eu: { metadata: { region: 'eu' }, otherwise: [{ any: true }] },
      us: { metadata: { region: 'us' }, otherwise: [{ subset: 'eu' }, { metadata: { version: 'v1' } }, { any: true }] },
      off: { metadata: { region: 'x' }, otherwise: [] },
      constructor: { metadata: { metadata: 'label' }, otherwise: [] },
    })
  })

  it('of defaults and of a service are there together, each name from the service where both have it', () => {
    const service = policyOf(V2, { v2: { version: 'two' }, v1: { version: 'v1' } })
    expect(Object.entries(service?.policy.subsets ?? {}).map(([name, { metadata }]) => [name, metadata])).toEqual([
      ['v2', { version: 'v2' }],
      ['v1', { version: 'v1' }],
    ])
    expect(service?.from['subsets']).toMatchObject({ source: 'options', kind: 'traffic-policy', name: 'orders', section: 'subsets' })
    expect(policyOf(false, V2)?.policy.subsets).toBe(false)
  })
})

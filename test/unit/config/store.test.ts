import { describe, expect, it } from 'vitest'
import { mergePolicy } from '../../../src/config/merge-policy.ts'
import { ConfigStore } from '../../../src/config/store.ts'
import type { PolicySections, Resource } from '../../../src/model/resources.ts'
import type { ResourceDelta } from '../../../src/model/source.ts'
import { specOf } from '../../support/sample.ts'

const service = (name: string, hosts: string[] = []): Resource => ({
  kind: 'service',
  namespace: 'default',
  name,
  hosts,
  ports: [],
  protocol: 'auto',
})
const endpoints = (name: string, ...indexes: number[]): Resource => ({
  kind: 'endpoints',
  namespace: 'default',
  name,
  endpoints: indexes.map((index) => specOf(index)),
})
const policy = (name: string, attempts: number): Resource => ({
  kind: 'traffic-policy',
  namespace: 'default',
  name,
  policy: { retry: { attempts } },
})
const delta = (upserts: Resource[], change: Partial<ResourceDelta> = {}): ResourceDelta => ({
  version: '1',
  upserts,
  removals: [],
  complete: false,
  ...change,
})

function make(resources: Resource[] = []) {
  const changes: string[][] = []
  const store = new ConfigStore({ namespace: 'default', defaults: {}, resources, onChange: (_, changed) => changes.push([...changed]) })
  const get = (name: string) => store.snapshot.services.get(`default/${name}`)
  return { store, changes, get }
}

describe('the store', () => {
  it('the options win, then the later source', () => {
    const { store, get } = make([service('orders'), policy('orders', 7)])
    const [first, second] = [store.register('first'), store.register('second')]
    second(delta([policy('orders', 2), endpoints('orders', 2)]))
    first(delta([policy('orders', 1), endpoints('orders', 1)]))
    expect(get('orders')?.policy.retry.attempts).toBe(7)
    expect(get('orders')?.endpoints.map(({ id }) => id)).toEqual(['10.0.0.2:80'])
    expect(get('orders')?.from['endpoints']).toMatchObject({ source: 'second' })
    second(delta([], { removals: [{ kind: 'endpoints', namespace: 'default', name: 'orders' }] }))
    expect(get('orders')?.endpoints.map(({ id }) => id)).toEqual(['10.0.0.1:80'])
  })

  it('tells only what changed, and keeps the identity of the rest', () => {
    const { store, changes, get } = make()
    const apply = store.register('s')
    apply(delta([service('a'), service('b'), endpoints('a', 1), endpoints('b', 1)]))
    const [a, b] = [get('a'), get('b')]
    apply(delta([endpoints('a', 1, 2)]))
    expect(changes).toEqual([['default/a', 'default/b'], ['default/a']])
    expect(get('b')).toBe(b)
    expect(get('a')).not.toBe(a)
    expect(get('a')?.policy).toBe(a?.policy)
    apply(delta([endpoints('a', 1, 2), service('b')]))
    expect(changes).toHaveLength(2)
  })

  it('complete: what is not named is gone', () => {
    const { store, get } = make()
    const apply = store.register('s')
    apply(delta([service('a'), service('b')], { complete: true }))
    apply(delta([service('b')], { complete: true }))
    expect([get('a'), get('b')?.name]).toEqual([undefined, 'b'])
  })

  it('a bad resource is returned with its problems, its former version stays, and the good ones apply', () => {
    const { store, get } = make()
    const apply = store.register('s')
    apply(delta([service('a'), endpoints('a', 1)], { complete: true }))
    const rejections = apply(
      delta([service('a'), { ...endpoints('a'), endpoints: [{ ...specOf(1), weight: -1, port: 70_000 }] } as Resource, service('b')], {
        complete: true,
      }),
    )
    expect(rejections).toEqual([
      {
        kind: 'endpoints',
        namespace: 'default',
        name: 'a',
        problems: ['endpoints[0].port: expected a port', 'endpoints[0].weight: expected a number above 0'],
      },
    ])
    expect(get('a')?.endpoints).toHaveLength(1)
    expect(get('b')).toBeDefined()
  })

  it('snapshots are immutable: an older one shows what was', () => {
    const { store } = make()
    const apply = store.register('s')
    apply(delta([service('a')]))
    const before = store.snapshot
    apply(delta([service('b')]))
    expect([before.services.size, store.snapshot.services.size]).toEqual([1, 2])
    expect(store.snapshot.version).toBe(before.version + 1)
  })

  it('one change among 10,000 services touches one', () => {
    const { store, changes } = make()
    const apply = store.register('s')
    apply(delta(Array.from({ length: 10_000 }, (_, index) => service(`s${index}`))))
    apply(delta([service('s77', ['x.example.com'])]))
    expect(changes.at(-1)).toEqual(['default/s77'])
  })
})

describe('policies laid over one another', () => {
  const policyOf = (defaults: PolicySections, sections: PolicySections) =>
    mergePolicy([
      { sections: defaults, from: { source: 'options', kind: 'defaults', namespace: '', name: 'defaults' } },
      { sections, from: { source: 'options', kind: 'traffic-policy', namespace: '', name: 'orders' } },
    ]).policy

  it('tls keeps the fields of the defaults that a service does not write', () => {
    expect(policyOf({ tls: { ca: ['CA'], minVersion: 'TLSv1.3' } }, { tls: { serverName: 'orders' } }).tls).toEqual({
      mode: 'simple',
      ca: ['CA'],
      cert: undefined,
      key: undefined,
      serverName: 'orders',
      minVersion: 'TLSv1.3',
    })
    expect(policyOf({}, {}).tls).toBeUndefined()
  })

  it('retries that were switched off below are on again where they are written', () => {
    expect(policyOf({}, { retry: false }).retry.attempts).toBe(0)
    expect(policyOf({ retry: false }, {}).retry.attempts).toBe(0)
    expect(policyOf({ retry: false }, { retry: { budgetPercent: 10 } }).retry).toMatchObject({ attempts: 2, budgetPercent: 10 })
  })
})

import { describe, expect, it } from 'vitest'
import { createMesh, staticSource } from '../../../src/index.ts'

/** The service that answers, by `explain`; undefined when none does. */
function answers(services: Record<string, object>, url: string, namespace = 'default'): string | undefined {
  return createMesh({ namespace, services }).explain({ url }).route.service
}

describe('stats', () => {
  it('tell services of the same name in two namespaces apart', () => {
    const mesh = createMesh({
      services: { orders: {} },
      sources: [staticSource({ services: { orders: { namespace: 'shop' } } })],
    })
    mesh.ready().catch(() => {})
    expect(Object.keys(mesh.stats().services)).toEqual(['orders', 'orders.shop'])
    return mesh.close()
  })
})

describe('addressing', () => {
  it.each([
    ['http://orders/', 'orders'],
    ['http://ORDERS/', 'orders'],
    ['http://orders./', 'orders'],
    ['http://orders:9999/', 'orders'],
    ['https://orders/', 'orders'],
    ['http://orders.default/', 'orders'],
    ['http://orders.default.svc/', 'orders'],
    ['http://orders.default.svc.cluster.local/', 'orders'],
    ['http://orders.other/', undefined],
    ['http://orders.example.com/', undefined],
  ])('%s is %s', (url, service) => expect(answers({ orders: {} }, url)).toBe(service))

  const hosts = {
    a: { hosts: ['api.example.com', 'only.example.com:8443'] },
    b: { hosts: ['*.example.com'] },
    c: { hosts: ['*.eu.example.com'] },
  }
  it.each([
    ['https://api.example.com/', 'a'],
    ['https://API.example.com./', 'a'],
    ['https://only.example.com:8443/', 'a'],
    ['https://only.example.com/', 'b'],
    ['https://x.example.com/', 'b'],
    ['https://x.y.example.com/', 'b'],
    ['https://x.eu.example.com/', 'c'],
    ['https://example.com/', undefined],
  ])('%s is %s: exact before wildcard, longer before shorter', (url, service) => expect(answers(hosts, url)).toBe(service))

  it.each([
    ['http://orders:8080/', 'orders'],
    ['http://orders/', undefined],
    ['http://orders:80/', undefined],
  ])('with a port: %s is %s', (url, service) => expect(answers({ orders: { port: 8080 } }, url)).toBe(service))

  it.each([
    ['http://orders/', 'orders'],
    ['https://orders/', 'orders'],
    ['http://orders:8080/', undefined],
  ])('with ports: %s is %s', (url, service) => expect(answers({ orders: { ports: [80, 443] } }, url)).toBe(service))

  it('the own namespace answers to the bare name', () => {
    const mesh = createMesh({ namespace: 'shop', services: { orders: { namespace: 'shop', hosts: ['own.example'] } }, sources: [] })
    expect(mesh.explain({ url: 'http://orders.shop.svc/' }).route.service).toBe('orders')
    expect(mesh.explain({ url: 'http://orders.default.svc/' }).route.service).toBeUndefined()
  })

  it('names that are no DNS names are names, but no hosts', () => {
    const mesh = createMesh({ services: { 'outbound|80||orders': { hosts: ['orders.example.com'] } } })
    expect(mesh.explain({ url: 'http://orders.example.com/' }).route.service).toBe('outbound|80||orders')
  })

  it('a stranger is explained too', () => {
    expect(createMesh().explain({ url: 'http://nowhere/' }).route).toMatchObject({ service: undefined, decision: 'pass' })
    expect(createMesh({ unknownHosts: 'refuse' }).explain({ url: 'http://nowhere/' }).route).toMatchObject({ decision: 'refuse' })
    expect(() => createMesh().explain({ url: 'ftp://x' })).toThrow(/expected an http or https URL/)
  })
})

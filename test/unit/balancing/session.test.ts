import { describe, expect, it } from 'vitest'
import { EndpointSet, Session } from '../../../src/balancing/index.ts'
import type { Call } from '../../../src/core/call.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { callOf, endpointsOf } from '../../support/sample.ts'

const encoded = (address: string): string => Buffer.from(address).toString('base64')
const call = (headers: Record<string, string>, path = '/'): Call => callOf({ tries: 0, path, header: (name) => headers[name] })

function make(settings: Partial<ConstructorParameters<typeof Session>[0]> = { cookie: { name: 's' } }) {
  const set = new EndpointSet(50, Math.random)
  const endpoints = endpointsOf(4)
  set.replace(endpoints)
  return {
    set,
    endpoints: endpoints as [Endpoint, Endpoint, Endpoint, Endpoint],
    session: new Session({ strict: false, ...settings }, set),
  }
}

describe('a session', () => {
  it('goes to its endpoint', () => {
    const { session, endpoints } = make()
    for (const endpoint of endpoints) expect(session.pick(call({ cookie: `a=b; s=${encoded(endpoint.address)}` }))).toBe(endpoint)
  })

  it.each([
    [{}],
    [{ cookie: 'other=1' }],
    [{ cookie: 's=' }],
    [{ cookie: 's=%%%' }],
    // Whoever makes an address up gets nowhere.
    [{ cookie: `s=${encoded('169.254.169.254:80')}` }],
    [{ cookie: `s=${'A'.repeat(10_000)}` }],
    [{ cookie: `s=${encoded('__proto__')}` }],
  ])('%j has none', (headers) => expect(make().session.pick(call(headers))).toBeUndefined())

  it('leaves an endpoint that is out of use, and comes back', () => {
    const { session, set, endpoints } = make()
    const [own] = endpoints
    const inSession = call({ cookie: `s=${encoded(own.address)}` })
    set.setEjected(own, true)
    expect(session.pick(inSession)).toBeUndefined()
    set.setEjected(own, false)
    set.setHealth(own, false, true)
    expect(session.pick(inSession)).toBe(own)
    // In panic all are used.
    for (const endpoint of endpoints) set.setEjected(endpoint, true)
    expect(session.pick(inSession)).toBe(own)
    set.replace(endpoints.slice(1))
    expect(session.pick(inSession)).toBeUndefined()
  })

  it('a cookie is given when the endpoint is another', () => {
    const { session, endpoints } = make({ cookie: { name: 's', ttlMs: 60_000, path: '/shop' } })
    const [own, other] = endpoints
    const expected = ['set-cookie', `s=${encoded(own.address)}; Max-Age=60; Path=/shop; HttpOnly`]
    const mark = (cookie: string, path: string) => session.mark(call({ cookie }, path), own)
    expect(mark('', '/shop')).toEqual(expected)
    expect(mark(`s=${encoded(other.address)}`, '/shop/cart')).toEqual(expected)
    expect(mark(`s=${encoded(own.address)}`, '/shop?x=1')).toBeUndefined()
    // A cookie of /shop is none of /shopping.
    for (const path of ['/', '/shopping', '/a/shop']) {
      expect(mark('', path)).toBeUndefined()
      expect(session.pick(call({ cookie: `s=${encoded(own.address)}` }, path))).toBeUndefined()
    }
  })

  it('a header is given with every answer', () => {
    const { session, endpoints } = make({ cookie: undefined, header: 'x-session' } as never)
    const [own] = endpoints
    const headers = { 'x-session': encoded(own.address) }
    expect(session.pick(call(headers))).toBe(own)
    expect(session.mark(call(headers), own)).toEqual(['x-session', encoded(own.address)])
  })

  it('binds only where it is strict, and only who has one', () => {
    const { session, endpoints } = make({ cookie: { name: 's' }, strict: true })
    expect(session.binds(call({ cookie: `s=${encoded(endpoints[0].address)}` }))).toBe(true)
    expect(session.binds(call({}))).toBe(false)
    expect(make().session.binds(call({ cookie: `s=${encoded(endpoints[0].address)}` }))).toBe(false)
  })
})

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.ts'
import type { ContextSettings } from '../../../src/model/context-options.ts'
import { RequestContext } from '../../../src/model/request-context.ts'
import { type Telling, toldHeaders } from '../../../src/outbound/told-headers.ts'
import { inboundCall } from '../../support/inbound-call.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SETTINGS: ContextSettings = { trust: 'mesh', trace: true, retried: true, forward: ['x-lane'] }

function within(settings: Partial<ContextSettings> = {}): RequestContext {
  const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, tracestate: 'a=1', baggage: 'user=42', 'x-lane': 'blue' }
  return new RequestContext({ ...inboundCall({ headers }), attempt: 1 }, true, { ...SETTINGS, ...settings }, seededRandom(1))
}

function told(written: unknown, telling: Partial<Telling> = {}): Record<string, string> {
  const pairs = toldHeaders(written, { remainingMs: 1_500.7, attempt: 1, priority: 'normal', within: undefined, traced: false, ...telling })
  return Object.fromEntries(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] as string]] : [])))
}

const PLAIN = { 'x-envoy-expected-rq-timeout-ms': '1500', 'x-envoy-attempt-count': '1' }

describe('what the next hop is told', () => {
  it('of a call that nothing came in for: its time and its number', () => expect(told({})).toEqual(PLAIN))

  it('never that there is no time, which to many means no bound', () =>
    expect(told({}, { remainingMs: 0.2, attempt: 4 })).toEqual({ 'x-envoy-expected-rq-timeout-ms': '1', 'x-envoy-attempt-count': '4' }))

  it('a priority that is not the usual one', () =>
    expect(told({}, { priority: 'high' })).toEqual({ ...PLAIN, 'x-inmesh-priority': 'high' }))

  it('beneath a request: its trace with a span of its own, its baggage, its lane', () => {
    const { traceparent, ...rest } = told({}, { within: within() })
    expect(traceparent).toMatch(new RegExp(`^00-${TRACE}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`))
    expect(rest).toEqual({ ...PLAIN, tracestate: 'a=1', baggage: 'user=42', 'x-lane': 'blue' })
  })

  it('no trace where that is off, and only the baggage where a tracer of undici writes the rest', () => {
    expect(told({}, { within: within({ trace: false }) })).toEqual({ ...PLAIN, 'x-lane': 'blue' })
    expect(told({}, { within: within(), traced: true })).toEqual({ ...PLAIN, baggage: 'user=42', 'x-lane': 'blue' })
  })

  it.each([
    ['application/grpc', '1500m'],
    ['application/grpc+proto', '1500m'],
    ['Application/GRPC;charset=x', '1500m'],
    ['application/grpc-web', undefined],
    ['application/json', undefined],
  ])('of %s a grpc-timeout: %s', (type, expected) => expect(told({ 'Content-Type': type })['grpc-timeout']).toBe(expected))

  const own = {
    'X-Envoy-Expected-Rq-Timeout-Ms': '7',
    'X-Envoy-Attempt-Count': '7',
    TraceParent: 'mine',
    Baggage: 'mine',
    'X-Lane': 'mine',
    'X-Inmesh-Priority': 'low',
    'Grpc-Timeout': '7S',
    'Content-Type': 'application/grpc',
  }
  it.each<[string, unknown]>([
    ['an object', own],
    ['pairs', Object.entries(own).flat()],
    ['a map', new Map(Object.entries(own))],
  ])('nothing that the caller wrote himself, as %s', (_, written) =>
    expect(told(written, { within: within(), priority: 'high' })).toEqual({}),
  )

  it('a caller who wrote a state of his own keeps it from being given another parent', () =>
    expect(told({ tracestate: 'b=2' }, { within: within() })).not.toHaveProperty('traceparent'))
})

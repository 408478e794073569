import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.ts'
import { type ReadableCall, RequestContexts } from '../../../src/inbound/request-contexts.ts'
import type { ContextSettings } from '../../../src/model/context-options.ts'
import { type InboundCallOptions, inboundCall } from '../../support/inbound-call.ts'

const SETTINGS: ContextSettings = { trust: 'mesh', trace: true, retried: true, forward: ['x-request-id', 'x-lane'] }
const TRACE = '0af7651916cd43dd8448eb211c80319c'

function contexts(settings: Partial<ContextSettings> = {}): RequestContexts {
  return new RequestContexts({
    settings: { ...SETTINGS, ...settings },
    random: seededRandom(1),
    isPeer: ({ principal, peerAddress }) => principal !== undefined || peerAddress === '10.0.0.9',
  })
}

const call = (options: InboundCallOptions): ReadableCall => ({ ...inboundCall({ startedAt: 1_000, ...options }), attempt: 1 })
const PEER = { principal: 'spiffe://mesh.example/ns/shop/sa/web' }

function read(options: InboundCallOptions, settings: Partial<ContextSettings> = {}): ReadableCall {
  const made = call(options)
  contexts(settings).read(made)
  return made
}

describe('what a request says of its time and weight', () => {
  it.each<[string, Record<string, string>, number]>([
    ['nothing', {}, Number.POSITIVE_INFINITY],
    ['Envoy’s header', { 'x-envoy-expected-rq-timeout-ms': '250' }, 1_250],
    ['a grpc-timeout', { 'grpc-timeout': '2S' }, 3_000],
    ['both: the nearer', { 'x-envoy-expected-rq-timeout-ms': '250', 'grpc-timeout': '100m' }, 1_100],
    ['no time at all', { 'grpc-timeout': '0m' }, 1_000],
    ['nonsense', { 'x-envoy-expected-rq-timeout-ms': '1e9', 'grpc-timeout': 'soon' }, Number.POSITIVE_INFINITY],
  ])('%s', (_, headers, deadline) => expect(read({ ...PEER, headers }).deadline).toBe(deadline))

  it.each([
    ['low', 'low'],
    ['high', 'high'],
    ['HIGH', 'normal'],
    ['highest', 'normal'],
  ])('priority %s', (written, priority) => expect(read({ ...PEER, headers: { 'x-inmesh-priority': written } }).priority).toBe(priority))

  const headers = { 'x-envoy-expected-rq-timeout-ms': '250', 'x-inmesh-priority': 'high' }
  it.each<[string, InboundCallOptions, ContextSettings['trust'], boolean]>([
    ['a peer with a certificate', PEER, 'mesh', true],
    ['a trusted proxy', { peerAddress: '10.0.0.9' }, 'mesh', true],
    ['a stranger', {}, 'mesh', false],
    ['a stranger where anyone is believed', {}, 'anyone', true],
    ['a peer where nobody is', PEER, 'nobody', false],
  ])('%s', (_, who, trust, believed) =>
    expect(read({ ...who, headers }, { trust })).toMatchObject(
      believed ? { deadline: 1_250, priority: 'high' } : { deadline: Number.POSITIVE_INFINITY, priority: 'normal' },
    ),
  )
})

describe('what calls beneath it inherit', () => {
  const headers = {
    traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
    tracestate: 'a=1',
    baggage: 'user=42',
    'x-envoy-attempt-count': '3',
    'x-lane': 'blue',
    'x-other': 'no',
  }

  it('of a peer: trace, baggage, attempt, and the headers that are forwarded', () => {
    const context = contexts().of(read({ ...PEER, headers }))
    expect(context.trace).toMatchObject({ traceId: TRACE, sampled: true, state: 'a=1' })
    expect([context.baggage, context.attempt, context.handed]).toEqual(['user=42', 3, ['x-lane', 'blue']])
  })

  it('of a stranger: a new trace, and nothing that he wrote', () => {
    const context = contexts().of(read({ headers }))
    expect(context.trace.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(context.trace.traceId).not.toBe(TRACE)
    expect(context.trace).toBe(context.trace)
    expect([context.trace.sampled, context.trace.state, context.baggage, context.attempt, context.handed]).toEqual([
      false,
      undefined,
      undefined,
      1,
      [],
    ])
  })

  it.each(['0', '-1', '1.5', '99999', 'many', ''])('an attempt %j is the first', (written) =>
    expect(read({ ...PEER, headers: { 'x-envoy-attempt-count': written } }).attempt).toBe(1),
  )

  it('a header as long as one likes is not copied into every call', () =>
    expect(contexts().of(call({ ...PEER, headers: { 'x-lane': 'x'.repeat(2_000), 'x-request-id': '1' } })).handed).toEqual([
      'x-request-id',
      '1',
    ]))
})

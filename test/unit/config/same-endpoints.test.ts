import { describe, expect, it } from 'vitest'
import { problemsOf } from '../../../src/config/check-resource.ts'
import { sameEndpoints } from '../../../src/config/same-endpoints.ts'
import type { EndpointSpec } from '../../../src/core/endpoint.ts'
import { specOf } from '../../support/sample.ts'

describe('two lists of endpoints say the same', () => {
  const filled: Partial<EndpointSpec> = { locality: { zone: 'a' }, metadata: { version: '1', track: 'stable' } }
  it.each<[string, Partial<EndpointSpec>, Partial<EndpointSpec>, boolean]>([
    ['copies', filled, structuredClone(filled), true],
    ['fields of another order', filled, { metadata: { track: 'stable', version: '1' }, locality: { zone: 'a' } }, true],
    ['nothing written', { metadata: {} }, { metadata: Object.create(null) as EndpointSpec['metadata'] }, true],
    ['another id', {}, { id: 'x' }, false],
    ['another address', {}, { address: '10.0.0.9:80' }, false],
    ['another host', {}, { host: '10.0.0.9' }, false],
    ['another port', {}, { port: 81 }, false],
    ['another weight', {}, { weight: 2 }, false],
    ['another priority', {}, { priority: 1 }, false],
    ['another zone', filled, { ...filled, locality: { zone: 'b' } }, false],
    ['a zone that left', filled, { ...filled, locality: {} }, false],
    ['another label', filled, { ...filled, metadata: { version: '2', track: 'stable' } }, false],
    ['one label more', filled, { ...filled, metadata: { version: '1', track: 'stable', more: '' } }, false],
    ['metadata that a source forgot', {}, { metadata: undefined as never }, false],
  ])('%s', (_, a, b, same) => {
    expect(sameEndpoints([specOf(1), specOf(2, a)], [specOf(1), specOf(2, b)])).toBe(same)
  })

  it('not when one is longer or in another order', () => {
    expect(sameEndpoints([specOf(1)], [specOf(1), specOf(2)])).toBe(false)
    expect(sameEndpoints([specOf(2), specOf(1)], [specOf(1), specOf(2)])).toBe(false)
  })
})

it('the last look names every bad endpoint, and a hole in the list too', () => {
  const endpoints = [specOf(1), undefined, specOf(1), { ...specOf(3), port: 0.5 }]
  expect(problemsOf({ kind: 'endpoints', namespace: 'default', name: 'a', endpoints })).toEqual([
    'endpoints[1]: expected id, address and host',
    'endpoints[1].port: expected a port',
    'endpoints[1].weight: expected a number above 0',
    'endpoints[3].port: expected a port',
  ])
})

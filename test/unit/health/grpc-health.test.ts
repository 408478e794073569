import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHealthStatus, encodeHealthRequest } from '../../../src/health/grpc-health.ts'

/** A frame around the bytes of a message. */
const framed = (...message: number[]): Buffer => Buffer.from([0, 0, 0, 0, message.length, ...message])

describe('grpc.health.v1', () => {
  it.each([
    ['', [0, 0, 0, 0, 0]],
    ['ab', [0, 0, 0, 0, 4, 0x0a, 2, 0x61, 0x62]],
  ])('a request for %j', (service, bytes) => expect([...encodeHealthRequest(service)]).toEqual(bytes))

  it('a long name has a length of two bytes', () => {
    const frame = encodeHealthRequest('x'.repeat(300))
    expect([...frame.subarray(0, 8)]).toEqual([0, 0, 0, 1, 47, 0x0a, 0xac, 0x02])
  })

  it.each([
    [framed(8, 1), 'SERVING'],
    [framed(8, 2), 'NOT_SERVING'],
    [framed(8, 3), 'SERVICE_UNKNOWN'],
    [framed(8, 9), 'status 9'],
    [framed(), 'UNKNOWN'],
    // What a later version adds.
    [framed(0x10, 5, 0x1a, 2, 1, 2, 8, 1), 'SERVING'],
    [Buffer.alloc(0), undefined],
    [Buffer.from([1, 0, 0, 0, 2, 8, 1]), undefined],
    [Buffer.from([0, 0, 0, 0, 9, 8, 1]), undefined],
    [framed(8), undefined],
    [framed(0x0d, 1), undefined],
    [framed(0x1a, 9, 1), undefined],
  ])('%j is %s', (frame, status) => expect(decodeHealthStatus(frame)).toBe(status))

  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void decodeHealthStatus(Buffer.from(bytes))))
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { boundedBaggage } from '../../src/core/baggage.ts'
import { seededRandom } from '../../src/core/random.ts'
import { grpcTimeout, parseExpectedTimeout, parseGrpcTimeout, toldMs } from '../../src/core/told-timeout.ts'
import { childTraceparent, newTrace, parseTrace } from '../../src/core/trace-context.ts'

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
/** Text that looks like what is parsed often enough to get somewhere. */
const header = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab01-=,;@ \t%_*/mSH"ü') }), fc.constant(PARENT))

it('no header makes a parser throw, and what is passed on is bounded and stable', () => {
  fc.assert(
    fc.property(fc.array(header, { maxLength: 3 }), fc.array(header, { maxLength: 3 }), (parents, values) => {
      const trace = parseTrace(parents, values)
      const state = parseTrace([PARENT], values)?.state
      const baggage = boundedBaggage(values)
      for (const value of values) {
        expect(parseGrpcTimeout(value) ?? 0).toBeGreaterThanOrEqual(0)
        expect(parseExpectedTimeout(value) ?? 1).toBeGreaterThan(0)
      }
      expect(trace?.traceId ?? 'a').toMatch(/^[0-9a-f]+$/)
      // What we pass on is read by the next hop as what it was here.
      if (state !== undefined) expect([state.length <= 512, parseTrace([PARENT], [state])?.state]).toEqual([true, state])
      if (baggage !== undefined) expect([baggage.length <= 8_192, boundedBaggage([baggage])]).toEqual([true, baggage])
    }),
  )
})

it('a child of any trace is read back as of that trace', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed)
      const trace = newTrace(random)
      expect(parseTrace([childTraceparent(trace, random)], [])).toMatchObject({ traceId: trace.traceId, sampled: false })
    }),
  )
})

it('any time that is left is told as one that is no longer, and never as none', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (left) => {
      const ms = toldMs(left)
      const read = parseGrpcTimeout(grpcTimeout(ms)) as number
      expect([ms >= 1, Number.isInteger(ms), read <= ms, read > 0]).toEqual([true, true, true, true])
      if (left >= 1) expect(ms).toBeLessThanOrEqual(left)
    }),
  )
})

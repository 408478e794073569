import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGroup } from '../../src/core/address-group.ts'
import { Gcra } from '../../src/core/gcra.ts'
import { TokenBucket } from '../../src/core/token-bucket.ts'
import type { InboundRateLimitSettings } from '../../src/model/inbound-limits.ts'
import { LocalRateLimits } from '../../src/resilience/local-rate-limits.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { inboundCall } from '../support/inbound-call.ts'

/** Rates whose gaps are whole milliseconds, so that no rounding decides between two that are exactly at the border. */
const rate = fc.record({ gapMs: fc.integer({ min: 1, max: 200 }), burst: fc.integer({ min: 1, max: 20 }) })
const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 600 }),
  tries: fc.integer({ min: 0, max: 25 }),
  push: fc.option(rate, { nil: undefined, freq: 6 }),
})

describe('GCRA and token bucket', () => {
  it('let the same calls go, know the same rest and wait, across pushes too', () => {
    fc.assert(
      fc.property(rate, fc.array(step, { maxLength: 60 }), (first, steps) => {
        const settings = { ratePerMs: 1 / first.gapMs, burst: first.burst }
        const meters = [new TokenBucket(settings, 0), new Gcra(settings, 0)] as const
        let now = 0
        for (const { waitMs, tries, push } of steps) {
          now += waitMs
          if (push !== undefined) for (const meter of meters) meter.reconfigure({ ratePerMs: 1 / push.gapMs, burst: push.burst }, now)
          // A push may leave fractions of a call, which the two round in their own ways.
          const [bucket, gcra] = meters
          const fraction = bucket.spent(now) % 1
          if (fraction > 1e-6 && fraction < 1 - 1e-6) expect(gcra.left(now)).toBe(bucket.left(now))
          expect(Math.abs(gcra.waitMs(now) - bucket.waitMs(now))).toBeLessThan(1e-3)
          for (let each = 0; each < tries; each++) expect(gcra.take(now)).toBe(bucket.take(now))
        }
      }),
    )
  })

  it('GCRA gives in no window of t milliseconds more than burst + rate × t', () => {
    const wait = fc.tuple(fc.double({ min: 0, max: 3_000, noNaN: true }), fc.integer({ min: 0, max: 30 }))
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 0.1, max: 50, noNaN: true }),
        fc.array(wait, { maxLength: 60 }),
        (burst, perSecond, waits) => {
          const ratePerMs = perSecond / 1_000
          const meter = new Gcra({ burst, ratePerMs }, 0)
          const given: number[] = []
          let now = 0
          for (const [ms, tries] of waits) {
            now += ms
            for (let each = 0; each < tries; each++) if (meter.take(now)) given.push(now)
          }
          for (let from = 0; from < given.length; from++)
            for (let to = from; to < given.length; to++)
              expect(to - from + 1).toBeLessThanOrEqual(burst + ratePerMs * ((given[to] as number) - (given[from] as number)) + 1e-5)
        },
      ),
    )
  })
})

describe('several limits together', () => {
  it('none ever gives more than its burst and rate, and what was refused was charged to none', () => {
    const limit = fc.record({
      requests: fc.integer({ min: 1, max: 20 }),
      burst: fc.integer({ min: 1, max: 20 }),
      by: fc.subarray(['method', 'path'] as const),
      algorithm: fc.constantFrom('token-bucket' as const, 'gcra' as const),
      dryRun: fc.boolean(),
    })
    const ask = fc.record({
      waitMs: fc.integer({ min: 0, max: 200 }),
      method: fc.constantFrom('GET', 'POST'),
      pathname: fc.constantFrom('/a', '/b', '/c'),
    })
    fc.assert(
      fc.property(fc.array(limit, { minLength: 1, maxLength: 4 }), fc.array(ask, { maxLength: 150 }), (written, asks) => {
        const settings = written.map(
          ({ by, ...each }, index): InboundRateLimitSettings => ({
            ...each,
            name: `n${index}`,
            match: {},
            by: by.map((kind) => ({ kind, label: kind, name: '' })),
            overrides: [],
          }),
        )
        const clock = new VirtualClock()
        const limits = new LocalRateLimits(settings, clock)
        /** The same limits, each by itself and charged only for what went through. */
        const alone = new Map<string, TokenBucket>()
        const bucketOf = (each: InboundRateLimitSettings, call: { method: string; pathname: string }): TokenBucket => {
          const key = JSON.stringify([each.name, ...each.by.map(({ kind }) => (kind === 'method' ? call.method : call.pathname))])
          const burst = each.burst ?? each.requests
          const bucket = alone.get(key) ?? new TokenBucket({ ratePerMs: each.requests / 1_000, burst }, 0)
          alone.set(key, bucket)
          return bucket
        }
        for (const { waitMs, ...call } of asks) {
          clock.advance(waitMs)
          const now = clock.now()
          const real = settings.filter(({ dryRun }) => !dryRun).map((each) => bucketOf(each, call))
          const room = real.every((bucket) => bucket.waitMs(now) === 0)
          if (room) for (const bucket of real) bucket.take(now)
          expect(limits.admit(inboundCall(call)).refused === true).toBe(!room)
        }
      }),
    )
  })
})

describe('addressGroup', () => {
  it('gives one group to all spellings of an address, and to all addresses of a /64', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 }), fc.ipV6(), (groups, other) => {
        const long = groups.map((group) => group.toString(16).padStart(4, '0')).join(':')
        const short = new URL(`http://[${long}]/`).hostname
        const neighbour = [...groups.slice(0, 4), ...groups.slice(4).map((group) => group ^ 1)].map((group) => group.toString(16)).join(':')
        expect(addressGroup(short)).toBe(addressGroup(long.toUpperCase()))
        if (groups.some((group, at) => at < 4 && group !== 0)) expect(addressGroup(neighbour)).toBe(addressGroup(long))
        expect(addressGroup(other)).toBe(addressGroup(new URL(`http://[${other}]/`).hostname))
      }),
    )
  })

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(':', '.', '0', 'f', '%', '[') })),
        (text) => typeof addressGroup(text) === 'string',
      ),
    )
  })
})

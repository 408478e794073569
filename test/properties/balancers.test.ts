import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { AliasDraw } from '../../src/balancing/alias-draw.ts'
import {
  BoundedLoad,
  createBalancer,
  EndpointSet,
  HashPolicy,
  LeastRequest,
  LoadWeights,
  loadXxHash64,
  parseLoadReport,
  RandomBalancer,
  ReportedRoundRobin,
  Session,
  SlowStart,
  type XxHash64,
} from '../../src/balancing/index.ts'
import { scaledWeights } from '../../src/balancing/stride-weights.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { HashRule } from '../../src/model/balancing.ts'
import { DEFAULT_LOAD_REPORTS } from '../../src/model/defaults.ts'
import { callOf, endpointsOf, OK, UNAVAILABLE } from '../support/sample.ts'

let hash: XxHash64
beforeAll(async () => {
  hash = await loadXxHash64()
})

/** Whatever may stand in a header, as bytes. */
const anyText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const seed = fc.integer({ min: 0, max: 2 ** 31 })
const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 30 })

function weighted(given: readonly number[]): Endpoint[] {
  const endpoints = endpointsOf(given.length)
  for (const [index, endpoint] of endpoints.entries()) endpoint.spec = { ...endpoint.spec, weight: given[index] as number }
  return endpoints
}

const POLICIES = ['round-robin', 'random', 'least-request', 'peak-ewma', 'weighted-round-robin', 'ring-hash', 'maglev'] as const

describe('every balancer', () => {
  it('picks one of the candidates, whoever they are and whatever became of the calls before', () => {
    const policy = fc.constantFrom(...POLICIES)
    const extras = fc.record({ slow: fc.boolean(), reports: fc.boolean(), bounded: fc.boolean() })
    const moment = fc.record({
      present: fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
      works: fc.boolean(),
      passed: fc.nat(5_000),
    })
    fc.assert(
      fc.property(
        policy,
        extras,
        weights,
        fc.array(moment, { maxLength: 20 }),
        seed,
        (name, { slow, reports, bounded }, given, moments, start) => {
          const balancer = createBalancer(name, seededRandom(start), {
            hash,
            slowStart: slow ? { windowMs: 10_000, minWeightPercent: 10, aggression: 2 } : false,
            loadReports: reports ? DEFAULT_LOAD_REPORTS : false,
            boundedLoad: bounded ? 1.25 : false,
            maglev: { tableSize: 503 },
            ringHash: { minSize: 64, maxSize: 1_024 },
          })
          const all = weighted(given)
          let now = 0
          for (const { present, works, passed } of moments) {
            now += passed
            const candidates = Object.freeze(all.filter((_, index) => present[index]))
            for (let pick = 0; pick < 3; pick++) {
              const picked = balancer.pick(candidates, callOf({ tries: 0, startedAt: now }), candidates)
              if (candidates.length === 0) expect(picked).toBeUndefined()
              else expect(candidates).toContain(picked)
              if (picked === undefined) continue
              picked.inflight++
              balancer.observe?.(picked, { ...(works ? OK : UNAVAILABLE), latencyMs: passed }, now)
              if (works) picked.inflight--
            }
          }
        },
      ),
    )
  })
})

describe('chance', () => {
  it('random: each as often as any other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), seed, (size, start) => {
        const endpoints = endpointsOf(size)
        const balancer = new RandomBalancer(seededRandom(start))
        const mean = 400
        for (let pick = 0; pick < size * mean; pick++) (balancer.pick(endpoints) as Endpoint).tries++
        // Binomial: a standard deviation of 20 at most, and six of them.
        for (const { tries } of endpoints) expect(Math.abs(tries - mean)).toBeLessThan(6 * Math.sqrt(mean))
      }),
      { numRuns: 50 },
    )
  })

  it('a weighted draw has exactly the chances that the weights give', () => {
    fc.assert(
      fc.property(weights, (given) => {
        const endpoints = weighted(given)
        const draws = 20_000
        let draw = 0
        // Every part of [0, 1) comes up once: what is counted are the lengths in the table.
        const alias = new AliasDraw(() => (draw++ + 0.5) / draws)
        const counts = endpoints.map(() => 0)
        for (let each = 0; each < draws; each++) {
          const index = alias.draw(endpoints)
          counts[index] = (counts[index] as number) + 1
        }
        const sum = given.reduce((total, weight) => total + weight, 0)
        for (const [index, weight] of given.entries())
          expect(Math.abs((counts[index] as number) - (draws * weight) / sum)).toBeLessThanOrEqual(2 * given.length)
      }),
    )
  })

  it('least request opens no third connection to anybody while half as many calls as endpoints are under way', () => {
    fc.assert(
      fc.property(seed, (start) => {
        const random = seededRandom(start)
        const endpoints = endpointsOf(100)
        const balancer = new LeastRequest(random)
        const under: Endpoint[] = []
        for (let call = 0; call < 5_000; call++) {
          const picked = balancer.pick(endpoints) as Endpoint
          picked.inflight++
          picked.connections = Math.max(picked.connections, picked.inflight)
          under.push(picked)
          if (under.length > 50) (under.splice(Math.floor(random() * under.length), 1)[0] as Endpoint).inflight--
        }
        expect(endpoints.reduce((sum, { connections }) => sum + connections, 0)).toBeLessThanOrEqual(200)
        expect(Math.max(...endpoints.map(({ connections }) => connections))).toBeLessThanOrEqual(2)
      }),
      { numRuns: 20 },
    )
  })
})

describe('weights from reports', () => {
  it('make the turn of gRPC: an endpoint is passed over where its stride does not reach the end of the circle', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 2, maxLength: 12 }), (utilizations) => {
        const endpoints = endpointsOf(utilizations.length)
        const loads = new LoadWeights({ ...DEFAULT_LOAD_REPORTS, blackoutMs: 0 })
        for (const [index, endpoint] of endpoints.entries())
          loads.heard(endpoint, `TEXT rps_fractional=100,cpu_utilization=${(utilizations[index] as number) / 100}`, undefined, 0)
        const scaled = scaledWeights(Float64Array.from(endpoints, (endpoint) => loads.weightOf(endpoint, 0)))
        const balancer = new ReportedRoundRobin(() => 0, loads, 1_000)
        // gRFC A58: sequence ÷ n is the generation; offset 2^15 - 1 for each place.
        let sequence = 0
        const next = (): number => {
          for (;;) {
            const index = sequence % scaled.length
            const generation = Math.floor(sequence++ / scaled.length)
            const weight = scaled[index] as number
            if ((weight * generation + 32_767 * index) % 65_535 >= 65_535 - weight) return index
          }
        }
        for (let pick = 0; pick < 200; pick++) expect(balancer.pick(endpoints, callOf({ tries: 0, startedAt: 0 }))).toBe(endpoints[next()])
      }),
    )
  })
})

describe('slow start', () => {
  it('never takes anything back, begins at its least and ends at the whole', () => {
    const settings = fc.record({
      windowMs: fc.integer({ min: 1, max: 600_000 }),
      minWeightPercent: fc.integer({ min: 0, max: 100 }),
      aggression: fc.double({ min: 0.1, max: 10, noNaN: true }),
    })
    fc.assert(
      fc.property(settings, fc.array(fc.nat(700_000), { minLength: 2, maxLength: 20 }), (given, ages) => {
        const slowStart = new SlowStart(given)
        const [endpoint] = endpointsOf(1) as [Endpoint]
        endpoint.warmFrom = 1_000
        const shares = ages.sort((a, b) => a - b).map((age) => slowStart.share(endpoint, 1_000 + age))
        for (const [index, share] of shares.entries()) {
          expect(share).toBeGreaterThanOrEqual(given.minWeightPercent / 100)
          expect(share).toBeLessThanOrEqual(1)
          expect(share).toBeGreaterThanOrEqual(shares[index - 1] ?? 0)
          if ((ages[index] as number) >= given.windowMs) expect(share).toBe(1)
        }
      }),
    )
  })
})

describe('a session', () => {
  const settings = fc.constantFrom({ cookie: { name: 's' }, strict: false }, { header: 'x-session', strict: true })
  const carried = (name: string, value: string) => callOf({ tries: 0, header: (asked) => (asked === name ? value : undefined) })

  it('leads to whoever it was given by, as long as that one is usable, and nowhere else', () => {
    const steps = fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 20 })
    fc.assert(
      fc.property(settings, fc.nat(9), steps, (given, which, outs) => {
        const set = new EndpointSet(50, seededRandom(1))
        const endpoints = endpointsOf(10)
        set.replace(endpoints)
        const session = new Session(given as ConstructorParameters<typeof Session>[0], set)
        const own = endpoints[which] as Endpoint
        const [name, value] = session.mark(callOf({ tries: 0 }), own) as readonly [string, string]
        const call = name === 'set-cookie' ? carried('cookie', value.split(';')[0] as string) : carried(name, value)
        for (const [index, out] of outs) {
          set.setEjected(endpoints[index] as Endpoint, out)
          expect(session.pick(call)).toBe(own.ejected && !set.panic ? undefined : own)
        }
      }),
    )
  })

  it('of any text at all leads to one of the endpoints or nowhere', () => {
    fc.assert(
      fc.property(settings, anyText, (given, text) => {
        const set = new EndpointSet(50, seededRandom(1))
        set.replace(endpointsOf(3))
        const session = new Session(given as ConstructorParameters<typeof Session>[0], set)
        for (const call of [carried('cookie', text), carried('cookie', `s=${text}`), carried('x-session', text)]) {
          const picked = session.pick(call)
          expect(picked === undefined || set.all.includes(picked)).toBe(true)
        }
      }),
    )
  })
})

describe('what a call is hashed by', () => {
  const MASK = 2n ** 64n - 1n
  const xxh = (text: string): bigint => {
    hash.hash(text)
    return (BigInt(hash.hi) << 32n) | BigInt(hash.lo)
  }

  it('is what the rules find, each turned by one bit before the next, up to a terminal one', () => {
    const names = ['x-a', 'x-b', 'x-c'] as const
    const rule = fc.record({ header: fc.constantFrom(...names), terminal: fc.boolean() })
    const headers = fc.record({ 'x-a': fc.string(), 'x-b': fc.string(), 'x-c': fc.string() }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), headers, (rules, given) => {
        const values = given as Partial<Record<string, string>>
        const call = callOf({
          tries: 0,
          header: (name) => values[name],
          headerValues: (name) => (values[name] === undefined ? [] : [values[name]]),
        })
        let expected: bigint | undefined
        for (const { header, terminal } of rules) {
          const value = values[header]
          if (value !== undefined) {
            const turned = expected === undefined ? 0n : ((expected << 1n) | (expected >> 63n)) & MASK
            expected = turned ^ xxh(value)
          }
          if (terminal && expected !== undefined) break
        }
        const { hi, lo, random } = new HashPolicy(hash, rules as HashRule[], seededRandom(1), '').affinityOf(call)
        expect(random).toBe(expected === undefined)
        if (expected !== undefined) expect((BigInt(hi) << 32n) | BigInt(lo)).toBe(expected)
      }),
    )
  })
})

describe('bounded load', () => {
  it('leaves a key where it is while there is room, goes where there is some, and to the least full where there is none', () => {
    const loads = fc.array(fc.tuple(fc.integer({ min: 1, max: 10 }), fc.nat(20)), { minLength: 1, maxLength: 15 })
    fc.assert(
      fc.property(loads, fc.double({ min: 1, max: 3, noNaN: true }), fc.nat(), fc.nat(), (given, factor, which, lo) => {
        const endpoints = weighted(given.map(([weight]) => weight))
        for (const [index, endpoint] of endpoints.entries()) endpoint.inflight = given[index]?.[1] as number
        const chosen = endpoints[which % endpoints.length] as Endpoint
        const pick = () => new BoundedLoad(factor).pick(chosen, endpoints, lo >>> 0, callOf({ tries: 0 }))
        const picked = pick()
        expect(pick()).toBe(picked)
        const active = endpoints.reduce((sum, { inflight }) => sum + inflight, 0)
        const weight = endpoints.reduce((sum, { spec }) => sum + spec.weight, 0)
        // Envoy: floor(((active + 1) × factor + 99) ÷ 100) slots, of which each has its part, and one at least.
        const slots = Math.floor(((active + 1) * Math.round(factor * 100) + 99) / 100)
        const loadOf = ({ inflight, spec }: Endpoint): number => inflight / Math.max(1, Math.ceil((slots * spec.weight) / weight))
        if (loadOf(chosen) <= 1) expect(picked).toBe(chosen)
        else expect(loadOf(picked)).toBeLessThanOrEqual(Math.max(1, Math.min(...endpoints.map(loadOf))))
      }),
    )
  })
})

describe('a load report', () => {
  it('of any text and any bytes is a map of numbers from 0 on, or none', () => {
    const text = fc.oneof(anyText, fc.json())
    const prefix = fc.constantFrom('', 'TEXT ', 'JSON ', 'BIN ')
    fc.assert(
      fc.property(prefix, text, fc.uint8Array({ maxLength: 60 }), (begin, written, bytes) => {
        const binary = Buffer.from(bytes).toString('base64')
        for (const report of [
          parseLoadReport(begin + written, undefined),
          parseLoadReport(`BIN ${binary}`, undefined),
          parseLoadReport(undefined, binary),
        ])
          for (const value of report?.values() ?? []) expect(Number.isFinite(value) && value >= 0).toBe(true)
      }),
    )
  })
})

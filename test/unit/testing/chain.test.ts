import { describe, expect, it } from 'vitest'
import type { PolicyOptions } from '../../../src/index.ts'
import {
  during,
  failing,
  MemoryServer,
  type ModelServer,
  ModelService,
  modelPolicy,
  seededRandom,
  steady,
  VirtualClock,
} from '../../../src/testing/index.ts'

const INSTANCES = 4
const LAYERS = 5
const FROM_MS = 5_000

/** Requests at the leaf for each call of the user, and the share of calls answered, while `share` of the leaf's answers are 503. */
function chain(share: number, options: PolicyOptions, forMs = 20_000): { load: number; answered: number } {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const policy = modelPolicy(options)
  const untilMs = FROM_MS + forMs
  const leaf = during({ fromMs: FROM_MS, untilMs: untilMs + 15_000 }, failing(share, steady(5)), steady(5))
  const leaves = Array.from({ length: INSTANCES }, () => new MemoryServer(leaf, clock, random))
  let servers: ModelServer[] = leaves
  for (let layer = 1; layer < LAYERS; layer++) {
    const next = servers
    servers = Array.from({ length: INSTANCES }, () => new ModelService({ name: `layer ${layer}`, clock, random, policy, servers: next }))
  }
  const user = new ModelService({ name: 'user', clock, random, policy, servers })
  const requests = (): number => leaves.reduce((sum, each) => sum + each.requests, 0)
  let calls = 0
  let answered = 0
  const call = (counted: boolean): void => {
    if (counted) calls++
    user.call({}, ({ status }) => {
      if (counted && status === 200) answered++
    })
  }
  const flow = (ms: number, counted: boolean): void => {
    for (let now = 0; now < ms; now += 5) {
      call(counted)
      clock.advance(5)
    }
  }
  flow(FROM_MS, false)
  const before = requests()
  flow(forMs, true)
  clock.advance(15_000)
  return { load: (requests() - before) / calls, answered: answered / calls }
}

const UNBOUND: PolicyOptions = { circuitBreaker: false, outlierDetection: false }
const EVERYBODY = { repeatRetried: true }

describe('a chain of five layers, each of which retries', () => {
  it.each([0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1])('%d of the leaf fail: it gets no more than 1.3 times the calls of the user', (share) => {
    expect(chain(share, {}).load).toBeLessThanOrEqual(1.3)
  })

  it('so it does by the one layer above it, and not because breakers open', () => {
    for (const share of [0.3, 0.5, 0.9, 1]) {
      const { load, answered } = chain(share, UNBOUND)
      expect(load).toBeLessThanOrEqual(1.2 + 0.05)
      // More than this nobody can answer with so many requests.
      expect(answered).toBeGreaterThan(0.98 * load * (1 - share) - 0.01)
    }
  })

  it('a tenth that fails costs a tenth more, and hardly a call', () => {
    const { load, answered } = chain(0.1, {})
    expect(load).toBeLessThanOrEqual(1.12)
    expect(answered).toBeGreaterThan(0.999)
  })

  it('where every layer retries what another has, and nothing bounds it, a leaf that is down gets more than two hundred times as many', () => {
    const retry = { ...EVERYBODY, budget: { percent: 100, minPerSecond: 1_000_000 } }
    expect(chain(1, { ...UNBOUND, retry }, 1_000).load).toBe(3 ** LAYERS)
    expect(chain(1, { ...UNBOUND, retry: { ...retry, repeatRetried: false } }, 1_000).load).toBe(3)
  })

  it('the budget alone bounds it, whatever fails, by 1.2 for each layer', () => {
    const policy: PolicyOptions = { ...UNBOUND, retry: { ...EVERYBODY, budget: { percent: 20, minPerSecond: 0 } } }
    expect(chain(0.5, policy).load).toBeGreaterThan(1.3)
    for (const share of [0.3, 0.5, 1]) expect(chain(share, policy).load).toBeLessThanOrEqual(1.2 ** LAYERS + 0.05)
  })
})

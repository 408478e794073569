// Prices of the balancers: a pick in nanoseconds for ten endpoints and for ten thousand, and what a change of one of ten thousand costs.
import { do_not_optimize } from 'mitata'
import * as parts from '../node_modules/.cache/inmesh-bench/parts.js'

const { BoundedLoad, Endpoint, EndpointSet, HashPolicy, LeastRequest, LoadWeights, loadXxHash64, Maglev } = parts
const { PeakEwma, ReportedRoundRobin, RingHash, subsetOf, WeightedRoundRobin } = parts

const REPORTS = { blackoutMs: 0, expiryMs: 180_000, updateMs: 1e9, errorPenalty: 1, metrics: [] }
const ANSWERED = { verdict: 'success', status: 200, kind: undefined, retryAfterMs: undefined }

const ZONES = { mode: 'zone-aware', minEndpoints: 6, forceLocalZone: false, weights: undefined, failover: undefined }
const SPREAD = { panicPercent: 50, priorities: { overprovisioningPercent: 140, failTrafficOnPanic: false }, locality: false }
const SPREADS = {
  'all alike': { settings: {} },
  'between two priorities': { settings: {}, priorities: true },
  'between two zones': { settings: { locality: ZONES } },
}

function specOf(index, weight) {
  const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`
  return { id: address, address, host: address, port: 80, weight, priority: 0, locality: {}, metadata: {} }
}

function endpointsOf(count, weightOf = () => 1) {
  return Array.from({ length: count }, (_, index) => new Endpoint('orders', specOf(index, weightOf(index))))
}

function callOf(hashKey) {
  return { tries: 0, startedAt: 1_000, hasTried: () => false, hashKey, header: () => undefined, affinity: undefined }
}

/** Median of the times, in milliseconds, that `work` takes. */
function median(times, work) {
  const taken = Array.from({ length: times }, (_, turn) => {
    const begin = performance.now()
    work(turn)
    return performance.now() - begin
  })
  return taken.sort((a, b) => a - b)[times >> 1]
}

export async function balancers(price) {
  const figures = {}
  const hash = await loadXxHash64()
  const partsOf = (bounded) => ({ hash, policy: new HashPolicy(hash, [], Math.random, ''), bounded })
  const weights = new LoadWeights(REPORTS)
  const sizes = { minSize: 1_024, maxSize: 8_388_608 }
  const made = {
    'least-request': () => new LeastRequest(Math.random),
    'least-request, weighted': () => new LeastRequest(Math.random),
    'peak-ewma': () => new PeakEwma(Math.random),
    'peak-ewma, weighted': () => new PeakEwma(Math.random),
    'weighted-round-robin': () => new WeightedRoundRobin(Math.random),
    'weighted-round-robin, weighted': () => new WeightedRoundRobin(Math.random),
    'weighted-round-robin, reported': () => new ReportedRoundRobin(Math.random, weights, REPORTS.updateMs),
    'ring-hash, given the hash': () => new RingHash(partsOf(), sizes),
    'maglev, given the hash': () => new Maglev(partsOf()),
    'maglev, bounded, given the hash': () => new Maglev(partsOf(new BoundedLoad(1.25, () => 1_000))),
  }
  for (const [name, make] of Object.entries(made)) {
    for (const count of [10, 10_000]) {
      const set = new EndpointSet(50, Math.random)
      const endpoints = endpointsOf(count, (index) => (name.endsWith(', weighted') ? 1 + (index % 10) : 1))
      set.replace(endpoints)
      const balancer = make()
      for (const [index, endpoint] of endpoints.entries()) {
        balancer.observe?.(endpoint, { ...ANSWERED, latencyMs: 5 + (index % 7) }, 500)
        if (name.endsWith('reported'))
          weights.heard(endpoint, `TEXT rps_fractional=100, cpu_utilization=0.${1 + (index % 9)}`, undefined, 0)
      }
      // Calls that were hashed already: what is left is the table.
      const calls = Array.from({ length: 1_000 }, (_, index) => callOf(`user-${index}`))
      for (const call of calls) set.pick(balancer, call, 0)
      let turn = 0
      figures[`pick ${name} of ${count}`] = await price(() => do_not_optimize(set.pick(balancer, calls[turn++ % 1_000], 0)))
    }
  }
  // Two steps more: the place of a call is drawn before its endpoint is.
  for (const [name, spread] of Object.entries(SPREADS)) {
    const set = new EndpointSet({ ...SPREAD, ...spread.settings }, Math.random, { own: { zone: 'a' }, callers: () => undefined })
    const place = (index) => ({ priority: spread.priorities ? index % 2 : 0, locality: { zone: index % 6 < 1 ? 'a' : 'b' } })
    set.replace(Array.from({ length: 12 }, (_, index) => new Endpoint('orders', { ...specOf(index, 1), ...place(index) })))
    if (spread.priorities) for (const endpoint of set.all.slice(0, 6)) set.setEjected(endpoint, true)
    const balancer = new LeastRequest(Math.random)
    const call = callOf(undefined)
    figures[`pick least-request of 12, ${name}`] = await price(() => do_not_optimize(set.pick(balancer, call, 0)))
  }
  const keyed = new Maglev(partsOf())
  const few = endpointsOf(10)
  let turn = 0
  figures['pick maglev of 10, with its hash'] = await price(() => do_not_optimize(keyed.pick(few, callOf(`user-${turn++ % 1_000}`))))
  const all = Object.freeze(endpointsOf(10_000))
  const changed = Array.from({ length: 40 }, (_, index) => Object.freeze(all.filter((_, at) => at !== index * 100)))
  const call = callOf('user')
  for (const name of ['least-request', 'peak-ewma', 'weighted-round-robin, weighted', 'weighted-round-robin, reported']) {
    const balancer = made[name]()
    figures[`change one of 10000, ${name}`] = 1e6 * median(40, (index) => balancer.pick(changed[index], call))
  }
  for (const [name, make] of [
    ['maglev', made['maglev, given the hash']],
    ['ring-hash', made['ring-hash, given the hash']],
  ]) {
    const balancer = make()
    figures[`change one of 10000, ${name}`] = 1e6 * median(40, (index) => balancer.pick(changed[index], call))
    balancer.pick(all, call)
    figures[`eject one of 10000, ${name}`] = 1e6 * median(40, (index) => balancer.pick(changed[index], call, all))
  }
  const specs = all.map(({ spec }) => spec)
  figures['take 100 of 10000'] = 1e6 * median(40, (index) => subsetOf(specs, 100, index))
  const set = new EndpointSet(50, Math.random)
  figures['replace 10000, one of them new'] = 1e6 * median(40, (index) => set.replace(changed[index]))
  return figures
}

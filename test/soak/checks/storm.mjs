import process from 'node:process'
import { Endpoint, EndpointSet } from 'inmesh/balancing'
import { CircuitBreaker, OutlierDetector } from 'inmesh/resilience'
import { median } from '../load.mjs'

const PER_SECOND = 5_000
const ROUNDS = 15
const FAILURES = 500_000
const BREAKER = { failurePercent: 50, windowMs: 10_000, minRequests: 20, openForMs: 5_000 }
const OUTLIER = { consecutiveFailures: 5, ejectForMs: 30_000, maxEjectForMs: 300_000, maxEjectedPercent: 50, intervalMs: 10_000 }

const failure = (endpoint) => ({
  verdict: 'failure',
  status: 503,
  kind: undefined,
  latencyMs: 1,
  endpoint,
  unsent: false,
  unavailable: true,
  code: undefined,
  retryAfterMs: undefined,
})

function endpoints(count) {
  return Array.from({ length: count }, (_, index) => {
    const address = `10.0.${index >> 8}.${index & 255}:80`
    const spec = { id: address, address, host: address.slice(0, -3), port: 80, weight: 1, priority: 0, locality: {}, metadata: {} }
    return new Endpoint('orders', spec)
  })
}

/** Nanoseconds of CPU that one failure costs, in a service of `count` endpoints that all fail; `minRequests` as given. */
function storm(count, minRequests) {
  const time = { now: 0 }
  const set = new EndpointSet(50, Math.random)
  const all = endpoints(count)
  set.replace(all)
  const breaker = new CircuitBreaker('orders', { ...BREAKER, minRequests }, time, { opened() {}, closed() {} })
  const detector = new OutlierDetector(OUTLIER, set, { ejected() {}, restored() {} })
  const outcomes = all.map(failure)
  const before = process.cpuUsage()
  for (let index = 0; index < FAILURES; index++) {
    time.now += 1_000 / PER_SECOND
    const permit = breaker.admit()
    detector.restoreDue(time.now)
    detector.observe(all[index % count], outcomes[index % count], time.now)
    if (permit.refused !== true) permit.settle(outcomes[index % count])
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1_000) / FAILURES
}

/** 100 % failures at 5,000 a second, a hundred seconds of them by the breaker's clock: what breaker and outlier detection cost each. */
export function run() {
  const cases = [
    ['the breaker opens, 3 endpoints', 3, BREAKER.minRequests],
    ['the breaker never opens, 3 endpoints', 3, Number.POSITIVE_INFINITY],
    ['the breaker never opens, 1,000 endpoints', 1_000, Number.POSITIVE_INFINITY],
  ]
  return cases.map(([what, count, minRequests]) => {
    storm(count, minRequests)
    const nanos = median(Array.from({ length: ROUNDS }, () => storm(count, minRequests)))
    return { what: `CPU per failure, ${what}`, asked: '<= 2000 ns', seen: `${nanos.toFixed(0)} ns`, ok: nanos <= 2_000 }
  })
}

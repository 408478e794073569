import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { CheckedService } from '../../src/health/endpoint-check.ts'
import { HealthMonitor } from '../../src/health/monitor.ts'
import { ServiceHealth } from '../../src/health/service-health.ts'
import { DEFAULT_HEALTH_CHECK } from '../../src/model/defaults.ts'
import type { ProbeRequest, ProbeResult, Prober } from '../../src/model/health.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { endpointsOf } from './sample.ts'

/** What a probe may find. */
export const OK: ProbeResult = { failure: undefined, degraded: false, immediate: false }
export const DOWN: ProbeResult = { ...OK, failure: 'it answered 503' }
export const DEGRADED: ProbeResult = { ...OK, degraded: true }

/** Asked every ten seconds. */
export const settings = { ...DEFAULT_HEALTH_CHECK, intervalMs: 10_000 }

/** A monitor on a virtual clock whose probes are answered from a list; after its end, with the last. */
export function monitorOver(size: number, seed = 1) {
  const clock = new VirtualClock()
  const probes: { at: number; id: string }[] = []
  const news: string[] = []
  let hadTraffic = true
  let answer: (id: string) => ProbeResult | Promise<ProbeResult> = () => OK
  const prober: Prober = {
    async probe({ endpoint }: ProbeRequest) {
      probes.push({ at: clock.now(), id: endpoint.id })
      return answer(endpoint.id)
    },
    close() {},
  }
  let rounds = 0
  const allAsked = (): void => void rounds++
  const monitor = new HealthMonitor({ clock, random: seededRandom(seed), prober, allAsked })
  const service: CheckedService = {
    get hadTraffic() {
      return hadTraffic
    },
    request: ({ spec }, check) => ({ endpoint: spec, port: spec.port, host: 'orders', settings: check, protocol: 'auto', tls: undefined }),
    setHealth(endpoint, unhealthy, degraded) {
      endpoint.unhealthy = unhealthy
      endpoint.degraded = degraded
    },
    healthChanged: (_, state, reason, source) => news.push(`${state}: ${reason} (${source})`),
    checkPassed: ({ id }) => news.push(`passed ${id}`),
  }
  const health = new ServiceHealth(monitor, service)
  const endpoints = endpointsOf(size)
  health.endpointsChanged(endpoints)
  /** Passes `ms` in steps, letting the answers of probes arrive between. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(100, left))
      for (let turn = 0; turn < 4; turn++) await undefined
    }
  }
  return {
    clock,
    probes,
    news,
    monitor,
    health,
    /** How often everybody had been asked. */
    rounds: () => rounds,
    endpoints,
    pass,
    first: endpoints[0] as Endpoint,
    answer: (next: typeof answer) => {
      answer = next
    },
    traffic: (had: boolean) => {
      hadTraffic = had
    },
  }
}

import { parseMeshOptions } from '../../src/config/mesh-options.ts'
import { ConfigStore } from '../../src/config/store.ts'
import { splitHost } from '../../src/core/host.ts'
import type { Random } from '../../src/core/random.ts'
import { seededRandom } from '../../src/core/random.ts'
import { TimerWheel } from '../../src/core/timer-wheel.ts'
import { HealthMonitor } from '../../src/health/monitor.ts'
import type { MeshOptions } from '../../src/index.ts'
import { NO_SETTINGS } from '../../src/model/call-settings.ts'
import type { Explanation } from '../../src/model/explanation.ts'
import type { Asked } from '../../src/plan/explain/asked.ts'
import { explain } from '../../src/plan/explain/explain.ts'
import { Plan } from '../../src/plan/plan.ts'
import type { ServicePlan } from '../../src/plan/service-plan.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A call of which nothing is said but what it asks for. */
const NOTHING_SAID = { tells: true, settings: NO_SETTINGS, wishes: {} }

/** The running side of a configuration without sockets, on a clock that the test turns. */
export function planOf(options: MeshOptions, { random = seededRandom(1) }: { random?: Random } = {}) {
  const clock = new VirtualClock()
  const time = new TimerWheel(clock)
  const events: string[] = []
  const parsed = parseMeshOptions(options)
  const plan = new Plan(
    {
      time,
      random,
      gates: parsed.gates,
      names: {
        follow: () => ({ addresses: [], failure: undefined, settled: true, refresh() {}, stop() {} }),
        lookup: () => Promise.reject(new Error('no names here')),
      },
      monitor: new HealthMonitor({ clock, random, prober: { probe: () => new Promise(() => {}), close() {} } }),
      emit: (name) => void events.push(name),
      report() {},
      released() {},
      unreachable() {},
    },
    parsed.namespace,
    parsed.service,
  )
  const store = new ConfigStore({
    namespace: parsed.namespace,
    defaults: parsed.defaults,
    resources: parsed.resources,
    onChange: (snapshot, changed) => plan.apply(snapshot, changed),
  })
  plan.apply(store.snapshot, store.snapshot.services.keys())
  return {
    plan,
    store,
    clock,
    time,
    events,
    service: (name = 'orders') => plan.service(name) as ServicePlan,
    explain: (change: Partial<Asked> = {}): Explanation => {
      const asked = { host: 'orders', method: 'GET', path: '/', headers: {}, secure: false, now: time.read(), ...NOTHING_SAID, ...change }
      const { host, port = asked.secure ? 443 : 80 } = splitHost(asked.host)
      return explain(plan, plan.find(host, port), asked, 'pass')
    },
    /** What a service hashes with is loaded. */
    ready: (name = 'orders') => new Promise<void>((resolve) => (plan.service(name) as ServicePlan).whenResolved(resolve)),
  }
}

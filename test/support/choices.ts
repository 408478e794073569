import { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { TimerWheel } from '../../src/core/timer-wheel.ts'
import { DEFAULT_POLICY } from '../../src/model/defaults.ts'
import type { Policy } from '../../src/model/resources.ts'
import { Choices } from '../../src/plan/choices.ts'
import { ProcessIdentity } from '../../src/plan/process-identity.ts'
import type { Protections } from '../../src/plan/protections.ts'
import { ServiceBalancing } from '../../src/plan/service-balancing.ts'
import { WatchedSet } from '../../src/plan/watched-set.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { specOf } from './sample.ts'

/** The choices of a service whose endpoints have these metadata, without anything around them. */
export function choicesOf(metadata: readonly Record<string, string>[], change: Partial<Policy> = {}, seed = 1) {
  const policy: Policy = { ...DEFAULT_POLICY, ...change }
  const random = seededRandom(seed)
  const clock = new VirtualClock()
  const time = new TimerWheel(clock)
  const set = new WatchedSet(policy.panicPercent, random)
  const identity = new ProcessIdentity('default/web', random)
  const balancing = new ServiceBalancing(
    policy,
    set,
    { time, random, identity, emit() {} },
    () => 0,
    () => true,
  )
  const protections = { hasRoom: () => true, endpointMaxRequests: Number.POSITIVE_INFINITY } as unknown as Protections
  const choices = new Choices(policy, { set, random, time, balancing, protections, from: () => 'the policy' })
  const endpoints = metadata.map((each, index) => new Endpoint('orders', specOf(index + 1, { metadata: each })))
  set.replace(endpoints)
  return { choices, set, endpoints, balancing, policy, time, clock }
}

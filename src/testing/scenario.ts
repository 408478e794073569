import type { PolicyOptions } from '../model/options.ts'
import type { CallEnd } from './model-call.ts'
import { modelPolicy } from './model-policy.ts'
import { MemoryServer } from './model-server.ts'
import { ModelService } from './model-service.ts'
import { hanging, type Profile, type Reply, refusing, scripted } from './profiles.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What an endpoint of a scenario does with one request: a status after a millisecond, a fault by its name, a reply or a profile. */
export type ScenarioStep = number | 'refused' | 'reset' | 'hangs' | Reply | Profile

/** What a scenario expects; what it does not name is not looked at. */
export interface ScenarioExpectation {
  /** Status of the last call's answer; 0 for an error. */
  readonly status?: number
  /** Code of the last call's MeshError. */
  readonly error?: string
  /** Requests that all endpoints together saw, over all calls. */
  readonly attempts?: number
  /** Requests each endpoint saw, in order. */
  readonly seen?: readonly number[]
  /** Which endpoints are ejected at the end, in order. */
  readonly ejected?: readonly boolean[]
  readonly breaker?: 'closed' | 'open' | 'half-open'
  /** Virtual milliseconds of the last call, at most and at least. */
  readonly withinMs?: number
  readonly notBeforeMs?: number
}

/**
 * Begins a scenario: what would a policy do? Endpoints in memory, calls in virtual time, and a look at what happened:
 *
 * `scenario({ retry: { attempts: 1 } }).endpoint(503).endpoint(200).call().expect({ status: 200, attempts: 2 })`
 *
 * Endpoints are taken in turn from the first on and backoffs take no time, unless the policy names another balancer.
 * @throws MeshError `MESH_CONFIG` for a policy that `createMesh` would refuse
 */
export function scenario(policy: PolicyOptions = {}): Scenario {
  return new Scenario(policy)
}

/** A scenario under construction; each step returns it, and `expect` throws an Error that names every difference. */
export class Scenario {
  private readonly policy: PolicyOptions
  private readonly scripts: Profile[] = []
  private readonly acts: ((service: ModelService, clock: VirtualClock) => void)[] = []
  private last: CallEnd | undefined = undefined

  constructor(policy: PolicyOptions) {
    this.policy = { balancing: { policy: 'round-robin' }, ...policy }
    modelPolicy(this.policy)
  }

  /** One more endpoint that does these, request by request; the last is repeated. */
  endpoint(...script: readonly ScenarioStep[]): this {
    this.scripts.push(scripted(...script.map(toStep)))
    return this
  }

  /** One call, carried to its end. */
  call(options: { readonly idempotent?: boolean } = {}): this {
    return this.calls(1, options)
  }

  /** Calls, one after the other. */
  calls(count: number, options: { readonly idempotent?: boolean } = {}): this {
    this.acts.push((service, clock) => {
      for (let call = 0; call < count; call++) {
        let end: CallEnd | undefined
        service.call(options, (found) => {
          end = found
        })
        // In steps, so that a quick call does not cost its whole deadline.
        while (end === undefined) clock.advance(1)
        this.last = end
      }
    })
    return this
  }

  /** Lets virtual time pass. */
  wait(ms: number): this {
    this.acts.push((_, clock) => clock.advance(ms))
    return this
  }

  /** Runs it, and compares. */
  expect(expected: ScenarioExpectation): void {
    const clock = new VirtualClock()
    const servers = this.scripts.map((profile) => new MemoryServer(profile, clock, zero))
    const service = new ModelService({ name: 'scenario', clock, random: zero, policy: modelPolicy(this.policy), servers })
    for (const act of this.acts) act(service, clock)
    const seen = servers.map(({ requests }) => requests)
    const found = {
      status: this.last?.status,
      error: this.last?.code,
      attempts: seen.reduce((sum, count) => sum + count, 0),
      seen,
      ejected: service.endpoints.map(({ ejected }) => ejected),
      breaker: service.breaker?.state,
    }
    const tookMs = this.last?.latencyMs ?? 0
    const wrong = Object.entries(found)
      .filter(([name, value]) => name in expected && !same(expected[name as keyof typeof found], value))
      .map(([name, value]) => `${name}: expected ${print(expected[name as keyof typeof found])}, got ${print(value)}`)
    if (expected.withinMs !== undefined && tookMs > expected.withinMs)
      wrong.push(`took ${tookMs} ms, expected at most ${expected.withinMs}`)
    if (expected.notBeforeMs !== undefined && tookMs < expected.notBeforeMs)
      wrong.push(`took ${tookMs} ms, expected at least ${expected.notBeforeMs}`)
    if (wrong.length > 0) throw new Error(`the scenario went otherwise: ${wrong.join('; ')}`)
  }
}

function toStep(step: ScenarioStep): Reply | Profile {
  if (typeof step === 'number') return { latencyMs: 1, status: step }
  if (step === 'refused') return refusing()
  if (step === 'reset') return { latencyMs: 1, kind: 'reset' }
  return step === 'hangs' ? hanging() : step
}

function zero(): number {
  return 0
}

function same(a: unknown, b: unknown): boolean {
  return print(a) === print(b)
}

function print(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}

import type { Clock, Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'

/**
 * The living endpoints of one service by id: those of its configuration, and for a minute those that left it, in case they
 * come back. One that no call ever went to has nothing to remember and is forgotten when it leaves; else a registry that
 * replaces 100,000 endpoints each second would leave six million of them.
 */
export class KnownEndpoints {
  private readonly clock: Clock
  private readonly byId = new Map<string, Endpoint>()
  /** Those that left and are remembered, in the order in which they left. */
  private readonly departed = new Set<Endpoint>()
  private timer: Timer | undefined = undefined
  private closed = false

  constructor(clock: Clock) {
    this.clock = clock
  }

  get(id: string): Endpoint | undefined {
    return this.byId.get(id)
  }

  add(endpoint: Endpoint): void {
    this.byId.set(endpoint.id, endpoint)
  }

  values(): Iterable<Endpoint> {
    return this.byId.values()
  }

  /** `endpoint` left the configuration at its `removedAt`. */
  departs(endpoint: Endpoint): void {
    if (isBlank(endpoint)) {
      this.byId.delete(endpoint.id)
      return
    }
    this.departed.add(endpoint)
    this.schedule()
  }

  /** `endpoint` is in the configuration again. */
  returns(endpoint: Endpoint): void {
    endpoint.removedAt = undefined
    this.departed.delete(endpoint)
  }

  /** Forgets nobody any more, and holds no timer. */
  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.timer = undefined
  }

  private schedule(): void {
    if (this.closed || this.timer !== undefined) return
    const [first] = this.departed
    if (first === undefined) return
    const waitMs = (first.removedAt as number) + FORGET_AFTER_MS - this.clock.now()
    this.timer = this.clock.setTimer(
      () => {
        this.timer = undefined
        this.forget(this.clock.now())
        this.schedule()
      },
      Math.max(LOOK_AGAIN_MS, waitMs),
    )
    this.timer.unref()
  }

  private forget(now: number): void {
    const busy: Endpoint[] = []
    for (const endpoint of this.departed) {
      if (now - (endpoint.removedAt as number) < FORGET_AFTER_MS) break
      this.departed.delete(endpoint)
      if (endpoint.inflight > 0) busy.push(endpoint)
      else this.byId.delete(endpoint.id)
    }
    for (const endpoint of busy) this.departed.add(endpoint)
  }
}

/** Nothing ever happened to it: one made anew would be the same. */
function isBlank({ tries, inflight, ejections, connectFailedAt, unhealthy, degraded }: Endpoint): boolean {
  return tries === 0 && inflight === 0 && ejections === 0 && connectFailedAt === Number.NEGATIVE_INFINITY && !unhealthy && !degraded
}

/** How long the state of an endpoint that left is kept, in case it comes back. */
const FORGET_AFTER_MS = 60_000
/** How soon one whose calls are still under way is looked at again. */
const LOOK_AGAIN_MS = 1_000

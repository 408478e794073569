import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Profile, Reply } from './profiles.ts'

/** A request as it comes to a modelled endpoint. */
export interface ServedRequest {
  /** Clock time after which the caller has left; the next hop is told. */
  readonly deadline: number
  readonly idempotent: boolean
}

/** What takes requests in a model: an endpoint with a {@link Profile}, or another service that calls further ones. */
export interface ModelServer {
  /** @param answer called when the answer's head comes, or it breaks; never, when nothing comes */
  serve(request: ServedRequest, answer: (reply: Omit<Reply, 'latencyMs'>) => void): void
}

/** An endpoint in memory that behaves as its profile says: no socket, no process, and time is the clock's. */
export class MemoryServer implements ModelServer {
  /** Requests that came, and those that it still holds. */
  requests = 0
  inflight = 0
  private readonly profile: Profile
  private readonly clock: Clock
  private readonly random: Random

  constructor(profile: Profile, clock: Clock, random: Random) {
    this.profile = profile
    this.clock = clock
    this.random = random
  }

  serve(_: ServedRequest, answer: (reply: Omit<Reply, 'latencyMs'>) => void): void {
    this.requests++
    this.inflight++
    const reply = this.profile({ now: this.clock.now(), inflight: this.inflight, random: this.random })
    if (reply.latencyMs === Number.POSITIVE_INFINITY) return
    this.clock.setTimer(() => {
      this.inflight--
      answer(reply)
    }, reply.latencyMs)
  }
}

import type { Priority } from '../../src/core/call.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import type { LoopClock } from '../../src/resilience/loop-watch.ts'
import type { Shedder } from '../../src/resilience/shedder.ts'

/** What comes to a simulated process, and what it costs it. */
export interface LoopLoad {
  /** Requests a second, by times of a phase: `[[1_000, 200], [5_000, 1_500]]` is a second of 200 and then five of 1,500. */
  readonly phases: readonly (readonly [ms: number, perSecond: number])[]
  /** Milliseconds of computing for each request. */
  readonly workMs: number
  /** Milliseconds between the request and its work in which somebody else is waited for; undefined: the work is done at once. */
  readonly waitMs?: number
  /** Every so many requests one takes longer. */
  readonly long?: { readonly every: number; readonly workMs: number }
  /** Of reading a request, and of refusing it. */
  readonly readMs?: number
  readonly refuseMs?: number
  /** Shares of low and high priority. */
  readonly low?: number
  readonly high?: number
  /** At even intervals instead of at random. */
  readonly even?: boolean
  readonly seed?: number
}

/** How one request ended. */
export interface SimulatedRequest {
  readonly at: number
  readonly priority: Priority
  readonly workMs: number
  endedAt: number
  refused: boolean
}

interface Work {
  readonly readyAt: number
  run(): void
}

/**
 * One event loop on one core, with no machine under it: what arrived is seen when the loop looks for events, all that is ready is run in
 * its order, and whoever comes meanwhile waits for the next turn. So the same load gives the same figures everywhere.
 */
export class LoopSimulation {
  readonly clock: LoopClock
  private now = 0
  private idle = 0
  private checks: (() => void)[] = []
  private readonly waiting: Work[] = []

  constructor(idleTime = true) {
    this.clock = {
      now: () => this.now,
      afterPoll: (fire) => void this.checks.push(fire),
      ...(idleTime ? { idleTime: () => this.idle } : {}),
    }
  }

  /** Runs all of `load` before `shedder`, or without one, to its end. */
  run(load: LoopLoad, shedder: Shedder | undefined): SimulatedRequest[] {
    const requests = arrivals(load, this.now)
    let next = 0
    while (next < requests.length || this.waiting.length > 0) {
      const ahead = Math.min(requests[next]?.at ?? Number.POSITIVE_INFINITY, this.waiting[0]?.readyAt ?? Number.POSITIVE_INFINITY)
      if (ahead > this.now) {
        this.idle += ahead - this.now
        this.now = ahead
      }
      // What is ready now is one turn; it runs in the order in which it became ready.
      const turn: Work[] = []
      while (next < requests.length && (requests[next] as SimulatedRequest).at <= this.now) {
        const request = requests[next++] as SimulatedRequest
        turn.push({ readyAt: request.at, run: () => this.receive(request, load, shedder) })
      }
      while (this.waiting.length > 0 && (this.waiting[0] as Work).readyAt <= this.now) turn.push(this.waiting.shift() as Work)
      for (const work of turn.sort((a, b) => a.readyAt - b.readyAt)) work.run()
      for (const check of this.checks.splice(0)) check()
    }
    return requests
  }

  private receive(request: SimulatedRequest, load: LoopLoad, shedder: Shedder | undefined): void {
    this.now += load.readMs ?? 0.015
    const verdict = shedder?.admitRaw('/', ['x-mesh-priority', request.priority], true)
    if (verdict?.refused === true) {
      this.now += load.refuseMs ?? 0.01
      request.refused = true
      request.endedAt = this.now
      return
    }
    const finish = (): void => {
      this.now += request.workMs
      request.endedAt = this.now
      verdict?.settle({} as never)
    }
    if (load.waitMs === undefined) finish()
    else {
      const readyAt = this.now + load.waitMs
      this.waiting.push({ readyAt, run: finish })
    }
  }
}

function arrivals({ phases, low = 0, high = 0, even = false, seed = 1, workMs, long }: LoopLoad, from: number): SimulatedRequest[] {
  const random = seededRandom(seed)
  const requests: SimulatedRequest[] = []
  let at = from
  let end = from
  for (const [ms, perSecond] of phases) {
    end += ms
    for (;;) {
      const gap = (1_000 / perSecond) * (even ? 1 : -Math.log(1 - random()))
      if (at + gap > end) break
      at += gap
      const isLong = long !== undefined && requests.length % long.every === long.every - 1
      const work = isLong ? long.workMs : workMs
      requests.push({ at, priority: drawPriority(random, low, high), workMs: work, endedAt: 0, refused: false })
    }
    at = end
  }
  return requests
}

function drawPriority(random: Random, low: number, high: number): Priority {
  const drawn = random()
  return drawn < low ? 'low' : drawn < low + high ? 'high' : 'normal'
}

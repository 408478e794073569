import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Permit } from '../../src/core/gate.ts'
import { TokenBucket } from '../../src/core/token-bucket.ts'
import { ConnectionLimit, type ConnectionWaiter } from '../../src/resilience/connection-limit.ts'
import { RequestLimit } from '../../src/resilience/request-limit.ts'

describe('a token bucket', () => {
  it('gives in no window of t milliseconds more than burst + rate × t', () => {
    const step = fc.tuple(fc.double({ min: 0, max: 3_000, noNaN: true }), fc.integer({ min: 0, max: 30 }))
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 0.1, max: 50, noNaN: true }),
        fc.array(step, { maxLength: 60 }),
        (burst, perSecond, steps) => {
          const ratePerMs = perSecond / 1_000
          const bucket = new TokenBucket({ burst, ratePerMs }, 0)
          const given: number[] = []
          let now = 0
          for (const [wait, tries] of steps) {
            now += wait
            for (let each = 0; each < tries; each++) if (bucket.take(now)) given.push(now)
          }
          for (let from = 0; from < given.length; from++) {
            for (let to = from; to < given.length; to++) {
              const allowed = burst + ratePerMs * ((given[to] as number) - (given[from] as number))
              expect(to - from + 1).toBeLessThanOrEqual(allowed + 1e-6)
            }
          }
        },
      ),
    )
  })

  it('pushes give nobody more than the largest burst and the fastest rate that were ever in force', () => {
    const push = fc.record({ burst: fc.integer({ min: 1, max: 20 }), perSecond: fc.integer({ min: 1, max: 50 }) })
    const step = fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 30 }), fc.option(push, { nil: undefined }))
    fc.assert(
      fc.property(push, fc.array(step, { maxLength: 60 }), (first, steps) => {
        const bucket = new TokenBucket({ burst: first.burst, ratePerMs: first.perSecond / 1_000 }, 0)
        const pushes = [first, ...steps.flatMap(([, , next]) => next ?? [])]
        const burst = Math.max(...pushes.map((each) => each.burst))
        const fastest = Math.max(...pushes.map((each) => each.perSecond)) / 1_000
        let now = 0
        let given = 0
        for (const [wait, tries, next] of steps) {
          now += wait
          if (next !== undefined) bucket.reconfigure({ burst: next.burst, ratePerMs: next.perSecond / 1_000 }, now)
          for (let each = 0; each < tries; each++) if (bucket.take(now)) given++
        }
        expect(given).toBeLessThanOrEqual(burst + fastest * now + 1e-6)
      }),
    )
  })
})

describe('maxRequests', () => {
  it('holds whatever the order of calls, ends and pushes, and every permit comes back', () => {
    const act = fc.oneof(
      fc.constant({ kind: 'call' as const, at: 0 }),
      fc.record({ kind: fc.constant('end' as const), at: fc.nat(100) }),
      fc.record({ kind: fc.constant('push' as const), at: fc.nat(8) }),
    )
    fc.assert(
      fc.property(fc.nat(8), fc.array(act, { maxLength: 200 }), (first, acts) => {
        let max = first
        const limit = new RequestLimit('orders', max)
        const held: Permit[] = []
        let refused = 0
        for (const { kind, at } of acts) {
          if (kind === 'push') {
            max = at
            limit.reconfigure(max)
          } else if (kind === 'end') {
            if (held.length > 0) (held.splice(at % held.length, 1)[0] as Permit).settle({} as never)
          } else {
            const verdict = limit.admit()
            expect(verdict.refused === true).toBe(held.length >= max)
            if (verdict.refused === true) refused++
            else held.push(verdict)
          }
          expect([limit.inflight, limit.refusals]).toEqual([held.length, refused])
        }
      }),
    )
  })
})

/** Callers of a connection limit as the engine behaves: they take at once, or line up, or leave; sockets are opened and kept. */
class Model {
  readonly limit: ConnectionLimit
  readonly turns: (() => void)[] = []
  readonly line: Waiter[] = []
  readonly served: number[] = []
  readonly idle: number[] = []
  using = 0
  next = 0

  constructor(max: number, maxPending: number) {
    this.limit = new ConnectionLimit({ afterPoll: (fire) => this.turns.push(fire) })
    this.limit.reconfigure({ maxConnections: max, maxPending })
  }

  arrive(): 'served' | 'waits' | 'refused' {
    const number = this.next++
    if (this.limit.room) {
      this.use(number)
      return 'served'
    }
    const waiter = new Waiter(this, number)
    if (!this.limit.enqueue(waiter)) return 'refused'
    this.line.push(waiter)
    return 'waits'
  }

  use(number: number): void {
    this.limit.take()
    this.using++
    this.served.push(number)
    if (this.idle.pop() === undefined)
      this.limit.dial(
        () => {},
        () => this.evict(),
      )
  }

  end(): void {
    if (this.using === 0) return
    this.using--
    this.limit.release()
    this.idle.push(0)
  }

  turn(): void {
    for (const fire of this.turns.splice(0)) fire()
  }

  private evict(): void {
    if (this.idle.pop() !== undefined) this.limit.closed()
  }
}

class Waiter implements ConnectionWaiter {
  readonly ready = true
  private readonly model: Model
  readonly number: number
  constructor(model: Model, number: number) {
    this.model = model
    this.number = number
  }
  proceed(): void {
    const at = this.model.line.indexOf(this)
    // Whoever goes on is the first in the line.
    expect(at).toBe(0)
    this.model.line.splice(at, 1)
    this.model.use(this.number)
  }
}

describe('maxConnections and maxPending', () => {
  it('hold under any order of calls, ends and turns; nobody overtakes, nobody is forgotten', () => {
    const act = fc.oneof(
      { weight: 3, arbitrary: fc.constant('arrive' as const) },
      { weight: 2, arbitrary: fc.constant('end' as const) },
      { weight: 2, arbitrary: fc.constant('turn' as const) },
      { weight: 1, arbitrary: fc.constant('leave' as const) },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(5), fc.array(act, { maxLength: 200 }), (max, maxPending, acts) => {
        const model = new Model(max, maxPending)
        const { limit, line } = model
        let refused = 0
        for (const step of acts) {
          if (step === 'arrive') {
            const full = line.length >= maxPending
            const came = model.arrive()
            if (came === 'refused') refused++
            if (came === 'refused') expect(full).toBe(true)
          } else if (step === 'leave') {
            const gone = line.pop()
            if (gone !== undefined) limit.leave(gone)
          } else model[step]()
          expect(model.using).toBeLessThanOrEqual(limit.busy)
          expect(limit.busy).toBeLessThanOrEqual(max)
          expect(limit.sockets).toBeLessThanOrEqual(max)
          expect([limit.pending, limit.pendingRefusals]).toEqual([line.length, refused])
          expect(line.length).toBeLessThanOrEqual(maxPending)
        }
        expect(model.served).toEqual([...model.served].sort((a, b) => a - b))
        // Everything comes to an end: whoever still waits gets his turn, and nothing stays in use.
        for (let round = 0; round < 2_000 && (model.using > 0 || line.length > 0 || model.turns.length > 0); round++) {
          model.end()
          model.turn()
        }
        expect([limit.busy, limit.pending, model.using]).toEqual([0, 0, 0])
      }),
    )
  })
})

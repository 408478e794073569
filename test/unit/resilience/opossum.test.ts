import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Permit } from '../../../src/core/gate.ts'
import { IGNORED } from '../../../src/core/outcome.ts'
import { CircuitBreaker } from '../../../src/resilience/circuit-breaker.ts'
import { circuitBreaker, fromOpossum, newOpossum, type OpossumBreaker, stateOf } from '../../../src/resilience/opossum.ts'
import { OK, UNAVAILABLE } from '../../support/sample.ts'

const SETTINGS = { failurePercent: 50, windowMs: 10_000, minRequests: 4, openForMs: 1_000 }
const GONE = new Error('the caller left')

/** opossum around work that ends when the test says so. */
async function theirs() {
  const breaker = await newOpossum(
    'team',
    (work: Promise<unknown>) => work,
    SETTINGS,
    (error) => error === GONE,
  )
  const fire = () => {
    const { promise, resolve, reject } = withResolvers()
    // A breaker that refuses never looks at the work.
    promise.catch(() => {})
    const fired = breaker.fire(promise).catch(() => {})
    const end = (how: () => void) => async (): Promise<void> => {
      how()
      await fired
    }
    return { ok: end(resolve), fail: end(() => reject(new Error('no'))), leave: end(() => reject(GONE)) }
  }
  const open = async (): Promise<void> => {
    for (let call = 0; call < 4; call++) await fire().fail()
  }
  return { breaker, fire, open }
}

function withResolvers() {
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<void>((resolved, rejected) => {
    resolve = resolved
    reject = rejected
  })
  return { promise, resolve, reject }
}

function ours() {
  const time = { now: 0 }
  const breaker = new CircuitBreaker('orders', SETTINGS, time, { opened() {}, closed() {} })
  const open = (): void => {
    for (let call = 0; call < 4; call++) (breaker.admit() as Permit).settle(UNAVAILABLE)
  }
  return { breaker, time, open }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('where our breaker and opossum differ', () => {
  it('a late success of a call from before the opening: opossum closes on it', async () => {
    const { breaker, fire, open } = await theirs()
    const late = fire()
    await open()
    await vi.advanceTimersByTimeAsync(1_000)
    await late.ok()
    const mine = ours()
    const early = mine.breaker.admit() as Permit
    mine.open()
    mine.time.now = 1_000
    early.settle(OK)
    expect([stateOf(breaker), mine.breaker.state]).toEqual(['closed', 'half-open'])
    breaker.shutdown()
  })

  it('an ignored probe: opossum closes on it, ours lends another', async () => {
    const { breaker, fire, open } = await theirs()
    await open()
    await vi.advanceTimersByTimeAsync(1_000)
    await fire().leave()
    const mine = ours()
    mine.open()
    mine.time.now = 1_000
    ;(mine.breaker.admit() as Permit).settle(IGNORED)
    expect([stateOf(breaker), mine.breaker.state]).toEqual(['closed', 'half-open'])
    breaker.shutdown()
  })

  it('a lost probe: opossum stays half-open for good', async () => {
    const { breaker, fire, open } = await theirs()
    await open()
    await vi.advanceTimersByTimeAsync(1_000)
    void fire()
    await vi.advanceTimersByTimeAsync(3_600_000)
    await expect(breaker.fire(Promise.resolve())).rejects.toMatchObject({ code: 'EOPENBREAKER' })
    const mine = ours()
    mine.open()
    mine.time.now = 1_000
    mine.breaker.admit()
    mine.time.now = 2_000
    expect([stateOf(breaker), mine.breaker.admit().refused ?? false]).toEqual(['half-open', false])
    breaker.shutdown()
  })

  it('what was counted before it closed again: opossum remembers it', async () => {
    const { breaker, fire, open } = await theirs()
    await open()
    await vi.advanceTimersByTimeAsync(1_000)
    await fire().ok()
    await fire().fail()
    const mine = ours()
    mine.open()
    mine.time.now = 1_000
    ;(mine.breaker.admit() as Permit).settle(OK)
    ;(mine.breaker.admit() as Permit).settle(UNAVAILABLE)
    expect([stateOf(breaker), mine.breaker.state]).toEqual(['open', 'closed'])
    breaker.shutdown()
  })

  it('calls that it refused: opossum counts them as fired', async () => {
    const { breaker, open } = await theirs()
    await open()
    await breaker.fire(Promise.resolve()).catch(() => {})
    expect(breaker.stats.fires).toBe(5)
    breaker.shutdown()
  })
})

describe('a gate from an opossum breaker', () => {
  async function gate() {
    const { breaker, fire } = await theirs()
    const time = { at: 0, now: () => time.at }
    const made = fromOpossum(breaker, time)
    const halfOpen = async (): Promise<void> => {
      breaker.open()
      time.at += 1_000
      await vi.advanceTimersByTimeAsync(1_000)
    }
    return { breaker, fire, time, halfOpen, admit: () => made.admit(undefined as never) }
  }

  it('lends a lost probe again after resetTimeout, and the lost one decides nothing', async () => {
    const { breaker, admit, time, halfOpen } = await gate()
    await halfOpen()
    const lost = admit() as Permit
    expect(admit().refused).toBe(true)
    time.at += 1_000
    const next = admit() as Permit
    expect(next.refused).not.toBe(true)
    lost.settle(UNAVAILABLE)
    expect(stateOf(breaker)).toBe('half-open')
    next.settle(OK)
    expect(stateOf(breaker)).toBe('closed')
    breaker.shutdown()
  })

  it("waits for the team's own probe", async () => {
    const { breaker, admit, fire, halfOpen } = await gate()
    await halfOpen()
    const probe = fire()
    expect(admit().refused).toBe(true)
    await probe.ok()
    expect(admit().refused).not.toBe(true)
    breaker.shutdown()
  })

  it('a call from before an opening that is over counts for nothing', async () => {
    const { breaker, admit, halfOpen } = await gate()
    const early = admit() as Permit
    await halfOpen()
    ;(admit() as Permit).settle(OK)
    const { fires } = breaker.stats
    early.settle(UNAVAILABLE)
    expect(breaker.stats.fires).toBe(fires)
    breaker.shutdown()
  })

  it('costs no allocation per call while it is closed, and lets calls pass a breaker that is disabled or shut down', async () => {
    const { breaker, admit } = await gate()
    expect(admit()).toBe(admit())
    breaker.shutdown()
    ;(admit() as Permit).settle(UNAVAILABLE)
    expect(breaker.stats.fires).toBe(0)
  })
})

describe('circuitBreaker', () => {
  it('what a breaker inside fn throws is fn’s own affair', async () => {
    const inner = Object.assign(new Error('Breaker is open'), { code: 'EOPENBREAKER' })
    const guarded = circuitBreaker(() => Promise.reject(inner))
    await expect(guarded()).rejects.toBe(inner)
    guarded.shutdown()
  })

  it('a function that throws at once, or returns no promise, is as good as any', async () => {
    const thrown = new Error('at once')
    const throwing = circuitBreaker((): Promise<never> => {
      throw thrown
    })
    await expect(throwing()).rejects.toBe(thrown)
    const plain = circuitBreaker((() => undefined) as unknown as () => Promise<void>)
    expect(await plain()).toBeUndefined()
    for (const each of [throwing, plain]) each.shutdown()
  })

  it('shut down before, or during, its first call leaves no timer', async () => {
    const before = circuitBreaker(async () => 1)
    before.shutdown()
    await expect(before()).rejects.toMatchObject({ code: 'MESH_CLOSED' })
    const during = circuitBreaker(async () => 1)
    const first = during()
    during.shutdown()
    expect(await first).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the breakers we make', () => {
  it('keep one timer each, and none after shutdown', async () => {
    const breaker: OpossumBreaker = await newOpossum(
      'team',
      async () => {},
      SETTINGS,
      () => false,
    )
    expect(vi.getTimerCount()).toBe(1)
    breaker.open()
    breaker.shutdown()
    expect(vi.getTimerCount()).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.ts'
import { Fallback } from '../../../src/resilience/fallback.ts'
import { FaultInjector } from '../../../src/resilience/fault.ts'
import { RateLimit } from '../../../src/resilience/rate-limit.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { callOf } from '../../support/sample.ts'

const timeOf = (clock: VirtualClock) => ({
  get now() {
    return clock.now()
  },
})

const from = (user: string) => callOf({ header: (name) => (name === 'x-user' ? user : undefined) })

describe('a rate limit', () => {
  it('gives its burst, then its rate, and says when to come again', () => {
    const clock = new VirtualClock()
    const limit = new RateLimit('orders', { requests: 10, perMs: 1_000, burst: 2 }, timeOf(clock))
    const ask = () => {
      const verdict = limit.admit(callOf())
      return verdict.refused === true ? verdict.retryAfterMs : 'yes'
    }
    expect([ask(), ask(), ask()]).toEqual(['yes', 'yes', 100])
    clock.advance(40)
    expect(ask()).toBe(60)
    clock.advance(60)
    expect([ask(), ask()]).toEqual(['yes', 100])
    expect(limit.describe(callOf())).toEqual({
      state: '0 calls left of 10 in 1s, 2 at once',
      because: 'all calls share them',
      admits: false,
    })
    expect(limit.refusals).toBe(3)
  })

  it('keeps a bucket for each value of the key, and one for all calls without it', () => {
    const limit = new RateLimit('orders', { requests: 1, perMs: 1_000, key: 'x-user' }, timeOf(new VirtualClock()))
    const asked = [from('a'), from('b'), from('a'), callOf(), callOf(), from('b')]
    expect(asked.map((call) => limit.admit(call).refused === true)).toEqual([false, false, true, false, true, true])
    const known = 'for this value of x-user; 2 values are known, each with its own'
    expect(limit.describe(from('a'))).toEqual({ state: '0 calls left of 1 in 1s, 1 at once', because: known, admits: false })
    // Whoever looks at a value makes it no known one.
    expect(limit.describe(from('c'))).toEqual({ state: '1 calls left of 1 in 1s, 1 at once', because: known, admits: true })
    expect(limit.describe(callOf())).toMatchObject({ because: known, admits: false })
  })

  it('remembers 10,000 values at most, and forgets those that were quiet longest', () => {
    const limit = new RateLimit('orders', { requests: 1, perMs: 1e9, key: 'x-user' }, timeOf(new VirtualClock()))
    const refused = (user: string) => limit.admit(from(user)).refused === true
    refused('first')
    refused('second')
    for (let user = 0; user < 9_998; user++) refused(`user-${user}`)
    // Asked again, so it is not the quietest any more.
    expect(refused('first')).toBe(true)
    refused('one more')
    expect([refused('first'), refused('second')]).toEqual([true, false])
  })

  it('a push refills no bucket, also of a key', () => {
    const limit = new RateLimit('orders', { requests: 3, perMs: 1e9, key: 'x-user' }, timeOf(new VirtualClock()))
    const left = (call = from('a')) => {
      let count = 0
      while (limit.admit(call).refused !== true) count++
      return count
    }
    limit.admit(from('a'))
    limit.reconfigure({ requests: 2, perMs: 1e9, key: 'x-user' })
    expect(left()).toBe(1)
    limit.reconfigure({ requests: 3, perMs: 1e9, key: 'x-user' })
    expect(left()).toBe(1)
    expect(limit.admit(from('a'))).toMatchObject({ code: 'MESH_RATE_LIMITED', status: 429 })
  })
})

describe('a fault', () => {
  it('meets the share that is written', () => {
    const injector = new FaultInjector({ abort: { status: 503, percent: 30 } }, seededRandom(1))
    let met = 0
    for (let call = 0; call < 10_000; call++) if (injector.draw(callOf()) !== undefined) met++
    expect(met).toBeGreaterThan(2_850)
    expect(met).toBeLessThan(3_150)
  })

  it.each([
    [0, 0],
    [100, 1_000],
  ])('of %d %% meets %d of 1,000', (percent, expected) => {
    const injector = new FaultInjector({ delay: { durationMs: 5, percent } }, seededRandom(2))
    let met = 0
    for (let call = 0; call < 1_000; call++) if (injector.draw(callOf()) !== undefined) met++
    expect(met).toBe(expected)
  })

  it('delay and abort are drawn apart, each for its header', () => {
    const injector = new FaultInjector(
      {
        delay: { durationMs: 5, percent: 100, header: { name: 'x-slow' } },
        abort: { code: 'MESH_RESET', percent: 100, header: { name: 'x-user', value: 'b' } },
      },
      () => 0,
    )
    const draw = (headers: Record<string, string>) => injector.draw(callOf({ header: (name) => headers[name] }))
    expect(draw({})).toBeUndefined()
    expect(draw({ 'x-user': 'a' })).toBeUndefined()
    expect(draw({ 'x-slow': '' })).toEqual({ delayMs: 5, status: 0, code: undefined })
    expect(draw({ 'x-user': 'b' })).toEqual({ delayMs: 0, status: 0, code: 'MESH_RESET' })
    expect(draw({ 'x-slow': '1', 'x-user': 'b' })).toEqual({ delayMs: 5, status: 0, code: 'MESH_RESET' })
    expect(injector.describe(callOf())).toEqual({
      state: 'delays 100 % of calls with x-slow by 5ms, ends 100 % of calls with x-user: b with MESH_RESET',
      because: 'none of them is for such a call',
    })
  })
})

describe('a fallback', () => {
  const respond = { status: 200, headers: {}, body: '' }
  it.each<[on: ConstructorParameters<typeof Fallback>[0]['on'], code: string | undefined, status: number, covers: boolean]>([
    [undefined, 'MESH_NO_ENDPOINT', 0, true],
    [undefined, 'MESH_DEADLINE', 0, true],
    [undefined, 'MESH_FORBIDDEN', 0, false],
    [undefined, undefined, 503, false],
    [['5xx'], undefined, 500, true],
    [['5xx'], undefined, 404, false],
    [['5xx'], 'MESH_CONNECT', 0, false],
    [['gateway-error'], undefined, 503, true],
    [['gateway-error'], undefined, 500, false],
    [['MESH_FAULT'], 'MESH_FAULT', 0, true],
    [[], 'MESH_NO_ENDPOINT', 0, false],
  ])('on %j: %s %d: %s', (on, code, status, covers) => {
    expect(new Fallback(on === undefined ? { respond } : { on, respond }).covers(code, status)).toBe(covers)
  })
})

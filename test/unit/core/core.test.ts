import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { AddressPolicy, isAddressRange, parseAddress } from '../../../src/core/address.ts'
import { clampDelay, MAX_TIMER_MS, systemClock } from '../../../src/core/clock.ts'
import { formatDuration, parseDuration } from '../../../src/core/duration.ts'
import { ERRORS, isMeshError, MeshError, type MeshErrorCode, meshErrorWithoutStack } from '../../../src/core/errors.ts'
import { Events } from '../../../src/core/event.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { SlidingWindow } from '../../../src/core/window.ts'

describe('durations', () => {
  it.each([
    [0, 0],
    [250, 250],
    ['250ms', 250],
    ['2s', 2_000],
    ['1m30s', 90_000],
    ['1.5s', 1_500],
    ['1h', 3_600_000],
    ['24d', 24 * 86_400_000],
    ['25d', undefined],
    [2 ** 31 + 1, undefined],
    [-1, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    ['', undefined],
    ['2', undefined],
    ['2 s', undefined],
    ['-2s', undefined],
    ['1e3s', undefined],
    [null, undefined],
    [{}, undefined],
    ['1s'.repeat(40), undefined],
  ])('%j is %s ms', (written, ms) => expect(parseDuration(written)).toBe(ms))

  it.each([
    [5, '5ms'],
    [2_000, '2s'],
    [90_000, '1m30s'],
    [3_600_000, '1h'],
    [Number.POSITIVE_INFINITY, 'none'],
  ])('%d ms prints as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))
})

describe('timers', () => {
  it.each([
    [2 ** 31, MAX_TIMER_MS],
    [Number.POSITIVE_INFINITY, MAX_TIMER_MS],
    [Number.NaN, 0],
    [-5, 0],
    [5, 5],
  ])('a delay of %d becomes %d', (delay, clamped) => expect(clampDelay(delay)).toBe(clamped))

  it('2³¹ ms does not fire at once', async () => {
    let fired = false
    const timer = systemClock.setTimer(() => {
      fired = true
    }, 2 ** 31)
    await new Promise((resolve) => setTimeout(resolve, 30))
    timer.cancel()
    expect(fired).toBe(false)
  })
})

describe('addresses', () => {
  it.each([
    ['10.0.0.1:8080', '10.0.0.1:8080'],
    ['[::1]:8080', '[::1]:8080'],
    ['[2001:DB8:0:0::1]:80', '[2001:db8::1]:80'],
    ['Db.Internal.:5432', 'db.internal:5432'],
    ['localhost:1', 'localhost:1'],
  ])('%s is %s', (written, text) => expect(parseAddress(written)).toMatchObject({ text }))

  it.each([
    ['10.0.0.1', /port is missing/],
    ['::1:80', /expected host:port/],
    ['10.0.0.1:0', /between 1 and 65535/],
    ['10.0.0.1:65536', /between 1 and 65535/],
    ['2130706433:80', /a number that some resolvers read/],
    ['0x7f.1:80', /a number that some resolvers read/],
    ['127.1:80', /a number that some resolvers read/],
    ['a b:80', /neither an address nor a DNS name/],
    ['[fe80::1%eth0]:80', /not an IPv6 address/],
    ['unix:/run/x.sock', /expected host:port/],
    ['http://10.0.0.1:80', /this is a URL, and an endpoint has no scheme/],
    [':80', /neither an address nor a DNS name/],
  ])('%s is refused', (written, problem) => expect((parseAddress(written) as { problem: string }).problem).toMatch(problem))

  it.each([
    '0.0.0.0',
    '::',
    '169.254.169.254',
    '169.254.1.1',
    'fe80::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '240.0.0.1',
    '::ffff:169.254.169.254',
  ])('%s may not be dialled', (address) => expect(new AddressPolicy().refusal(address)).toMatch(/address policy refuses/))

  it.each(['127.0.0.1', '::1', '10.1.2.3', '192.168.1.1', 'fd00::1', '8.8.8.8', 'db.internal'])('%s may', (address) =>
    expect(new AddressPolicy().refusal(address)).toBeUndefined(),
  )

  it('what is allowed by name may be dialled all the same', () => {
    const policy = new AddressPolicy(['169.254.1.0/24', 'fe80::1'])
    expect(['169.254.1.7', 'fe80::1'].map((address) => policy.refusal(address))).toEqual([undefined, undefined])
    expect(policy.refusal('169.254.2.7')).toBeDefined()
  })

  it.each([
    ['10.0.0.0/8', true],
    ['::/0', true],
    ['10.0.0.1', true],
    ['10.0.0.0/33', false],
    ['host', false],
    ['10.0.0.0/8/8', false],
  ])('%s is a range: %s', (text, is) => expect(isAddressRange(text)).toBe(is))
})

describe('errors', () => {
  it.each(Object.keys(ERRORS) as MeshErrorCode[])('%s carries its code, and a name that fits', (code) => {
    const error = new MeshError(code, { service: 'orders', reason: 'because', tries: 2 })
    expect(error).toMatchObject({
      code,
      message: 'orders: because',
      tries: 2,
      name: code === 'MESH_DEADLINE' ? 'TimeoutError' : 'MeshError',
    })
    expect(isMeshError(error)).toBe(true)
  })

  it('is recognised across copies of the package', () => {
    expect(isMeshError({ [Symbol.for('inmesh.error')]: true })).toBe(true)
    expect([null, undefined, 'x', new Error('x')].map(isMeshError)).toEqual([false, false, false, false])
  })

  it('the one without a stack leaves the limit as it was', () => {
    const before = Error.stackTraceLimit
    expect(meshErrorWithoutStack('MESH_RESET', {}).stack).not.toMatch(/\n\s+at /)
    expect(Error.stackTraceLimit).toBe(before)
    expect(inspect(new MeshError('MESH_TLS', { cause: new Error('why') }))).toContain('why')
  })
})

describe('events', () => {
  it('reach whoever listens, and what a listener throws is reported', () => {
    const reported: unknown[] = []
    const events = new Events<{ ping: number }>((error) => reported.push(error))
    const heard: number[] = []
    const stop = events.on('ping', (payload) => heard.push(payload))
    events.on('ping', () => {
      throw new Error('broken')
    })
    events.emit('ping', 1)
    stop()
    stop()
    events.emit('ping', 2)
    expect(heard).toEqual([1])
    expect(reported).toHaveLength(2)
  })
})

describe('the sliding window', () => {
  it('forgets bucket by bucket', () => {
    const window = new SlidingWindow(1_000, 2)
    for (let at = 0; at < 1_000; at += 100) window.add(0, at)
    expect(window.sum(0, 950)).toBe(10)
    expect(window.sum(1, 950)).toBe(0)
    expect(window.sum(0, 1_050)).toBe(9)
    expect(window.sum(0, 1_850)).toBe(1)
    expect(window.sum(0, 5_000)).toBe(0)
  })

  it('a clock that stands still or goes back loses nothing', () => {
    const window = new SlidingWindow(1_000, 1)
    window.add(0, 500)
    window.add(0, 400)
    expect(window.sum(0, 100)).toBe(2)
  })

  it('without an event counts nothing, whatever it is asked for', () => {
    const empty = new SlidingWindow(1_000, 1)
    const other = new SlidingWindow(1_000, 1)
    other.add(0, 100, 3)
    empty.resize(2_000, 100)
    empty.resize(1_000, 100)
    empty.clear()
    empty.subtract(other, 100)
    other.subtract(empty, 100)
    expect([empty.sum(0, 100), other.sum(0, 100)]).toEqual([0, 3])
    empty.add(0, 5_000)
    expect([empty.sum(0, 5_000), empty.sum(0, 5_950), empty.sum(0, 6_000)]).toEqual([1, 1, 0])
  })

  it('keeps its counts when it is resized', () => {
    const window = new SlidingWindow(1_000, 1)
    window.add(0, 0, 7)
    window.resize(10_000, 500)
    expect(window.sum(0, 9_000)).toBe(7)
    expect(window.sum(0, 11_000)).toBe(0)
  })
})

describe('seeded randomness', () => {
  it('repeats itself, and stays in [0, 1)', () => {
    const draw = (seed: number): number[] => Array.from({ length: 1_000 }, seededRandom(seed))
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(Math.min(...draw(7))).toBeGreaterThanOrEqual(0)
    expect(Math.max(...draw(7))).toBeLessThan(1)
  })
})

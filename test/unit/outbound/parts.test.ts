import { describe, expect, it } from 'vitest'
import { parseRetryAfter } from '../../../src/core/retry-after.ts'
import { parseCallOptions } from '../../../src/outbound/call-options.ts'
import { NO_SETTINGS } from '../../../src/outbound/engine.ts'
import { kindOf } from '../../../src/outbound/failure.ts'
import { rawHeader, requestHeader, toHeaderRecord, toRawHeaders } from '../../../src/outbound/headers.ts'
import { requestOptions } from '../../../src/outbound/outbound.ts'
import { type Body, REPLAY_LIMIT, ReplayMemory, replayBody } from '../../../src/outbound/replay-body.ts'

describe('headers', () => {
  const raw = ['Content-Type', 'text/plain', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2', '__proto__', 'x'].map((text) => Buffer.from(text))

  it('become a record with arrays for what came twice', () => {
    const record = toHeaderRecord(raw)
    expect(record['content-type']).toBe('text/plain')
    expect(record['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
    expect(Object.hasOwn(record, '__proto__')).toBe(true)
  })

  it('come back as raw pairs', () => {
    expect(toRawHeaders({ a: ['1', '2'], b: '3' }).map(String)).toEqual(['a', '1', 'a', '2', 'b', '3'])
    expect(rawHeader(raw, 'set-cookie')).toBe('a=1')
    expect(rawHeader(raw, 'none')).toBeUndefined()
  })

  it.each([
    ['a list', ['Idempotency-Key', 'k']],
    ['an object', { 'Idempotency-Key': 'k' }],
    ['pairs', [['Idempotency-Key', 'k']][Symbol.iterator]()],
    ['Headers', new Headers({ 'Idempotency-Key': 'k' })],
    ['a Map', new Map([['Idempotency-Key', 'k']])],
  ])('are found in %s', (_, headers) => expect(requestHeader(headers, 'idempotency-key')).toBe('k'))

  it.each([
    ['2', 2_000],
    ['0', 0],
    ['99999999', 86_400_000],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 4_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    ['1e400', undefined],
    [undefined, undefined],
  ])('Retry-After %s is %s ms', (value, ms) => expect(parseRetryAfter(value, 1_000)).toBe(ms))
})

describe('per-call options', () => {
  it('overlay what is around them', () => {
    const around = parseCallOptions({ timeout: '1s', priority: 'high' })
    expect(parseCallOptions({ timeout: 50 }, around)).toEqual({ ...NO_SETTINGS, timeoutMs: 50, priority: 'high' })
    expect(parseCallOptions(undefined, around)).toBe(around)
  })

  it('name every mistake', () => {
    const bad = { timeout: 0, idempotent: 1, hashKey: {}, priority: 'urgent', retries: 2.5, retrys: 1 }
    expect(() => parseCallOptions(bad)).toThrow(
      /mesh\.retrys: unknown key\n.*mesh\.timeout.*\n.*mesh\.idempotent.*\n.*mesh\.hashKey.*\n.*mesh\.priority.*\n.*mesh\.retries/,
    )
    expect(() => parseCallOptions('fast')).toThrow(/expected an object/)
  })
})

describe('a URL taken apart', () => {
  it.each([
    ['http://orders', 'http://orders', '/'],
    ['http://orders/a/b?c=1', 'http://orders', '/a/b?c=1'],
    ['http://orders:8080/x', 'http://orders:8080', '/x'],
    ['http://orders/a/../b#part', 'http://orders', '/b'],
    ['http://orders/a/%2e%2e/b', 'http://orders', '/b'],
    ['HTTP://Orders/ä b', 'http://orders', '/%C3%A4%20b'],
    ['http://user:pw@orders/x', 'http://orders', '/x'],
    [new URL('https://[::1]/x'), 'https://[::1]', '/x'],
  ])('%s', (url, origin, path) => expect(requestOptions(url, {})).toMatchObject({ origin, path, method: 'GET' }))

  it('what is no URL is said so', () => {
    expect(() => requestOptions('orders/x', {})).toThrow(/expected an absolute URL, got "orders\/x"/)
    expect(requestOptions('http://orders/', { body: 'x' })).toMatchObject({ method: 'PUT' })
  })
})

describe('the replayed body', () => {
  const read = async (body: unknown): Promise<string> => {
    let text = ''
    for await (const chunk of body as AsyncIterable<unknown>) text += String(chunk)
    return text
  }
  const iterate = (body: Body | undefined): AsyncIterator<unknown> =>
    ((body as Body).forTry() as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
    for (const text of texts) yield Buffer.from(text)
  }

  it('is sent as often as needed while it fits', async () => {
    const body = replayBody(pieces('a', 'b', 'c'), new ReplayMemory())
    expect([await read(body?.forTry()), await read(body?.forTry()), body?.replayable]).toEqual(['abc', 'abc', true])
  })

  it('goes on where the source stands when the first try broke in the middle', async () => {
    const body = replayBody(pieces('a', 'b', 'c', 'd'), new ReplayMemory())
    const first = iterate(body)
    expect([String((await first.next()).value), String((await first.next()).value)]).toEqual(['a', 'b'])
    expect(await read(body?.forTry())).toBe('abcd')
    // The abandoned reader gets nothing more, steals nothing, and does not take half a body for the whole.
    const broken: unknown = await first.next().catch((error: unknown) => error)
    expect(broken).toMatchObject({ message: expect.stringContaining('given up') })
    // The server that was sent half of it did nothing wrong.
    expect(kindOf(broken, false)).toBe('aborted')
  })

  it('a try that takes over while a read is under way loses no piece', async () => {
    let release: (value: IteratorResult<string>) => void = () => {}
    const results = [
      new Promise<IteratorResult<string>>((resolve) => (release = resolve)),
      Promise.resolve({ done: true, value: undefined } as const),
    ]
    const source = { [Symbol.asyncIterator]: () => ({ next: () => results.shift() as Promise<IteratorResult<string>> }) }
    const body = replayBody(source, new ReplayMemory())
    const first = iterate(body).next()
    const second = read(body?.forTry())
    release({ done: false, value: 'late' })
    await expect(first).rejects.toThrow(/given up/)
    expect(await second).toBe('late')
  })

  it('what outgrows the cap while a further try repeats the beginning loses no piece of it', async () => {
    let release: (value: IteratorResult<string>) => void = () => {}
    const large = 'x'.repeat(REPLAY_LIMIT)
    const results = [
      Promise.resolve({ done: false, value: 'a' } as const),
      Promise.resolve({ done: false, value: 'b' } as const),
      new Promise<IteratorResult<string>>((resolve) => (release = resolve)),
      Promise.resolve({ done: false, value: 'c' } as const),
      Promise.resolve({ done: true, value: undefined } as const),
    ]
    const source = { [Symbol.asyncIterator]: () => ({ next: () => results.shift() as Promise<IteratorResult<string>> }) }
    const body = replayBody(source, new ReplayMemory())
    const first = iterate(body)
    await first.next()
    await first.next()
    first.next().catch(() => {})
    const second = iterate(body)
    expect((await second.next()).value).toBe('a')
    release({ done: false, value: large })
    await new Promise((resolve) => setImmediate(resolve))
    expect(body?.replayable).toBe(false)
    const rest: unknown[] = []
    for (let piece = await second.next(); piece.done !== true; piece = await second.next()) rest.push(piece.value)
    expect(rest).toEqual(['b', large, 'c'])
  })

  it('a source that broke is never taken for one that ended', async () => {
    const body = replayBody(
      (async function* () {
        yield 'a'
        throw new Error('disk gone')
      })(),
      new ReplayMemory(),
    )
    await expect(read(body?.forTry())).rejects.toThrow('disk gone')
    await expect(read(body?.forTry())).rejects.toThrow('disk gone')
    expect(body?.sourceFailed).toBe(true)
  })

  it('stops keeping at the cap, and gives the memory back', async () => {
    const memory = new ReplayMemory(REPLAY_LIMIT)
    const large = replayBody(pieces('x'.repeat(REPLAY_LIMIT), 'y'), memory)
    expect((await read(large?.forTry())).length).toBe(REPLAY_LIMIT + 1)
    expect(large?.replayable).toBe(false)
    expect(memory.take(REPLAY_LIMIT)).toBe(true)
    const crowded = replayBody(pieces('a'), memory)
    await read(crowded?.forTry())
    expect(crowded?.replayable).toBe(false)
  })

  it('closes a source that has more to say', async () => {
    let closed = false
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) yield 'x'
      } finally {
        closed = true
      }
    }
    const body = replayBody(endless(), new ReplayMemory())
    await iterate(body).next()
    body?.release()
    body?.release()
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toBe(true)
  })

  it('constants pass as they are', () => {
    for (const constant of ['text', Buffer.from('x'), new Uint8Array(3), new ArrayBuffer(3)])
      expect(replayBody(constant, new ReplayMemory())?.forTry()).toBe(constant)
    expect([replayBody(null, new ReplayMemory()), replayBody(undefined, new ReplayMemory())]).toEqual([undefined, undefined])
  })
})

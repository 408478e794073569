import { describe, expect, it } from 'vitest'
import { conformance, expectRefusal, failure } from './subjects.ts'

/** What `headers` arrive as, without what fetch adds. */
const ADDED = new Set(['connection', 'accept', 'accept-language', 'sec-fetch-mode', 'user-agent', 'accept-encoding'])

const own = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ADDED.has(name)))

conformance('request headers', (subject) => {
  it('that nobody gave', async () => {
    const { 'sec-fetch-mode': mode = 'cors', ...headers } = (await subject.sent()).headers
    // Some platforms send it to loopback addresses only.
    expect(mode).toBe('cors')
    expect(headers).toEqual({
      connection: 'keep-alive',
      accept: '*/*',
      'accept-language': '*',
      'user-agent': 'node',
      'accept-encoding': 'gzip, deflate',
    })
  })

  it.each([
    ['accept', 'text/html'],
    ['accept-language', 'de'],
    ['accept-encoding', 'identity'],
    ['user-agent', 'mine/1.0'],
    ['cookie', 'a=1; b=2'],
    ['authorization', 'Bearer token'],
    ['referer', 'http://elsewhere/'],
    ['origin', 'http://elsewhere'],
    ['range', 'bytes=0-1'],
    ['cache-control', 'no-cache'],
    ['date', 'Mon, 01 Jan 2024 00:00:00 GMT'],
    ['dnt', '1'],
    ['via', '1.1 proxy'],
    ['sec-own', 'x'],
    ['proxy-authorization', 'Basic x'],
    ['te', 'trailers'],
    ['x-forwarded-for', '10.0.0.1'],
  ])('%s goes out as given', async (name, value) => {
    const { headers } = await subject.sent({ headers: { [name]: value } })
    expect(headers[name]).toBe(value)
  })

  it('a range asks for the bytes as they are', async () => {
    const { headers } = await subject.sent({ headers: { range: 'bytes=0-1' } })
    expect(headers['accept-encoding']).toMatch(/identity/)
  })

  it.each(['if-modified-since', 'if-none-match', 'if-unmodified-since', 'if-match', 'if-range'])('%s switches caches off', async (name) => {
    const { headers } = await subject.sent({ headers: { [name]: 'x' } })
    expect(headers).toMatchObject({ [name]: 'x', 'cache-control': 'no-cache', pragma: 'no-cache' })
  })

  it.each([
    ['no-store', { pragma: 'no-cache', 'cache-control': 'no-cache' }],
    ['reload', { pragma: 'no-cache', 'cache-control': 'no-cache' }],
    ['no-cache', { 'cache-control': 'max-age=0' }],
    ['default', {}],
    ['force-cache', {}],
  ])('cache: %s', async (cache, expected) => {
    expect(own((await subject.sent({ cache })).headers)).toEqual(expected)
  })

  describe.each([
    ['a record', { 'x-a': '1', 'X-B': '2' }, { 'x-a': '1', 'x-b': '2' }],
    [
      'pairs',
      [
        ['x-a', '1'],
        ['X-B', '2'],
      ],
      { 'x-a': '1', 'x-b': '2' },
    ],
    [
      'pairs that repeat',
      [
        ['x-a', '1'],
        ['X-A', '2'],
        ['x-a', '1'],
      ],
      { 'x-a': '1, 2, 1' },
    ],
    ['pairs that are iterables', [new Set(['x-a', '1'])], { 'x-a': '1' }],
    ['Headers', new Headers({ 'x-a': '1', 'X-B': '2' }), { 'x-a': '1', 'x-b': '2' }],
    [
      'a Map',
      new Map([
        ['x-a', '1'],
        ['X-B', '2'],
      ]),
      { 'x-a': '1', 'x-b': '2' },
    ],
    ['URLSearchParams', new URLSearchParams('x-a=1&x-a=2'), { 'x-a': '1, 2' }],
    ['names of one word in two cases', { 'x-a': '1', 'X-A': '2' }, { 'x-a': '1, 2' }],
    [
      'numbers, booleans, null',
      { 'x-n': 42, 'x-t': true, 'x-z': null, 'x-u': undefined },
      { 'x-n': '42', 'x-t': 'true', 'x-z': 'null', 'x-u': 'undefined' },
    ],
    ['arrays', { 'x-a': ['1', '2'] }, { 'x-a': '1,2' }],
    ['space around values', { 'x-a': ' \t1 2\r\n ' }, { 'x-a': '1 2' }],
    ['an empty value', { 'x-a': '' }, { 'x-a': '' }],
    ['latin1', { 'x-a': 'caf\xe9\xff' }, { 'x-a': 'caf\xe9\xff' }],
    ['tab within', { 'x-a': 'a\tb' }, { 'x-a': 'a\tb' }],
    [
      'cookies',
      [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ],
      { cookie: 'a=1; b=2' },
    ],
    ['every character of a token', { "!#$%&'*+-.^_`|~09azAZ": '1' }, { "!#$%&'*+-.^_`|~09azaz": '1' }],
    ['constructor as a name', { constructor: '1', toString: '2' }, { constructor: '1', tostring: '2' }],
    ['nothing', {}, {}],
    ['no pairs', [], {}],
    ['undefined', undefined, {}],
  ])('%s', (_, headers, expected) => {
    it('arrives', async () => expect(own((await subject.sent({ headers })).headers)).toEqual(expected))
    it('arrives through a Request', async () => {
      await subject.fetch(new Request(subject.url(), { headers: headers as never }))
      expect(own((await subject.peer.request(1)).headers)).toEqual(expected)
    })
  })

  it('inherited names and symbols of a record stay at home', async () => {
    const headers = Object.assign(Object.create({ 'x-far': '1' }), { 'x-near': '2' })
    expect(own((await subject.sent({ headers })).headers)).toEqual({ 'x-near': '2' })
  })

  it('are as they were when fetch was called', async () => {
    const headers = new Headers({ 'x-a': 'before' })
    const record = { 'x-a': 'before' }
    const sent = [subject.sent({ headers }), subject.sent({ headers: record })]
    headers.set('x-a', 'after')
    record['x-a'] = 'after'
    expect((await Promise.all(sent)).map((seen) => seen.headers['x-a'])).toEqual(['before', 'before'])
  })

  it('are not changed by fetch', async () => {
    const headers = new Headers({ 'x-a': '1' })
    const record = Object.freeze({ 'x-a': '1' })
    await subject.sent({ method: 'POST', body: 'text', headers })
    await subject.sent({ method: 'POST', body: 'text', headers: record })
    expect([...headers]).toEqual([['x-a', '1']])
  })

  it('two hundred of them arrive', async () => {
    const headers = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, String(index)]))
    expect(own((await subject.sent({ headers })).headers)).toEqual(headers)
  })

  describe('that are refused', () => {
    it.each(['', ' ', 'a b', 'a:', 'a\r\nb', 'ä', 'a\0', '(a)', 'a"', 'a/b', '{a}', 'x-a '])('name %j', (name) =>
      expectRefusal(subject, () => ({ headers: { [name]: '1' } })),
    )
    it.each(['a\0b', 'a\rb', 'a\nb', 'a\r\nx-evil: 1', '€', 'a\u0100'])('value %j', (value) =>
      expectRefusal(subject, () => ({ headers: { 'x-a': value } })),
    )
    it.each([
      ['null', null],
      ['a string', 'x-a: 1'],
      ['a number', 1],
      ['a pair with one part', [['x-a']]],
      ['a pair with three parts', [['x-a', '1', '2']]],
      ['a flat list', ['x-a', '1']],
      ['a symbol as value', { 'x-a': Symbol('1') }],
    ])('%s', (_, headers) => expectRefusal(subject, () => ({ headers })))
  })

  it.each([
    ['transfer-encoding', 'chunked'],
    ['keep-alive', 'timeout=5'],
    ['upgrade', 'websocket'],
    ['expect', '100-continue'],
    ['content-length', 'many'],
  ])('%s: %s never gets on the wire', async (name, value) => {
    const error = await failure(subject.fetch(subject.url(), { method: 'POST', body: 'x', headers: { [name]: value } }))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
    expect(subject.peer.seen).toEqual([])
  })

  it('connection: close ends the connection', async () => {
    const { headers, closed } = await subject.sent({ headers: { connection: 'close' } })
    expect(headers['connection']).toBe('close')
    await closed
  })
})

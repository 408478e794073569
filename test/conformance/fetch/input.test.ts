import { expect, it } from 'vitest'
import { conformance, failure } from './subjects.ts'

conformance('what is fetched', (subject) => {
  it.each([
    ['a string', (url: string) => url],
    ['a URL', (url: string) => new URL(url)],
    ['a Request', (url: string) => new Request(url)],
    ['anything with toString', (url: string) => ({ toString: () => url })],
    ['a String object', (url: string) => new String(url)],
    ['a string with space around it', (url: string) => ` \t${url}\n `],
  ])('is named by %s', async (_, input) => {
    const response = await subject.fetch(input(subject.url('/a?b=c')))
    expect([response.status, response.url, await response.text()]).toEqual([200, subject.url('/a?b=c'), 'ok'])
    expect(subject.peer.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /a?b=c'])
  })

  it.each([
    ['', '/'],
    ['?x=1', '/?x=1'],
    ['/a/../b/./c', '/b/c'],
    ['/%7Euser/%2f', '/%7Euser/%2f'],
    ['/ü?q=ü', '/%C3%BC?q=%C3%BC'],
    ['/a b"<>`?c d"<>\'', '/a%20b%22%3C%3E%60?c%20d%22%3C%3E%27'],
    ['/a#fragment', '/a'],
    ['/a?x#fragment?y', '/a?x'],
    ['/a\\b', '/a/b'],
    ['//double//slash', '//double//slash'],
    ['/tab\there\nand there', '/tabhereand%20there'],
    [`/${'long'.repeat(1_000)}`, `/${'long'.repeat(1_000)}`],
  ])('path %j goes out as %j', async (written, path) => {
    const { path: seen } = await subject.sent({}, written)
    expect(seen).toBe(path)
  })

  it('response.url has no fragment, request.url keeps it', async () => {
    const request = new Request(subject.url('/a#fragment'))
    expect((await subject.fetch(request)).url).toBe(subject.url('/a'))
    expect(request.url).toBe(subject.url('/a#fragment'))
  })

  it('the host is read without regard to case', async () => {
    const response = await subject.fetch(subject.url('/Case').toUpperCase())
    expect(response.url).toBe(subject.url('/CASE'))
  })

  it.each([
    ['nothing', () => undefined],
    ['null', () => null],
    ['an empty string', () => ''],
    ['a relative URL', () => '/path'],
    ['a URL without host', () => 'http://'],
    ['a bad port', () => 'http://orders:99999/'],
    ['a URL with a user', () => subject.url().replace('http://', 'http://user@')],
    ['a URL with a password', () => subject.url().replace('http://', 'http://:secret@')],
    ['a symbol', () => Symbol('url')],
    ['an object whose toString throws', () => ({ toString: () => JSON.parse('{') })],
  ])('%s is refused', async (_, input) => {
    const expected = await failure(globalThis.fetch(input() as string))
    const refused = await failure(subject.fetch(input()))
    expect([refused.name, refused.message]).toEqual([expected.name, expected.message])
    expect(subject.peer.seen).toEqual([])
  })

  it('a failure comes as a rejection, never as a throw', () => {
    const calls = [subject.fetch(''), subject.fetch(subject.url(), { method: ' ' }), subject.fetch(subject.url(), { headers: { ' ': '' } })]
    return Promise.all(calls.map(async (call) => expect(await failure(call)).toBeInstanceOf(TypeError)))
  })

  it.each([
    ['data: URL', 'data:text/plain,hello', 'hello'],
    ['base64 data: URL', 'data:text/plain;base64,aGVsbG8=', 'hello'],
  ])('%s', async (_, url, text) => {
    const response = await subject.fetch(url)
    expect([response.status, response.url, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      url,
      'text/plain',
      text,
    ])
  })

  it('blob: URL', async () => {
    const url = URL.createObjectURL(new Blob(['hello'], { type: 'text/x-blob' }))
    const response = await subject.fetch(url)
    expect([response.headers.get('content-type'), await response.text()]).toEqual(['text/x-blob', 'hello'])
    URL.revokeObjectURL(url)
  })

  it.each(['about:blank', 'ftp://orders/', 'orders:80/', 'file:///etc/hosts'])('%s fails', async (url) => {
    const error = await failure(subject.fetch(url))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
  })
})

conformance('a Request', (subject) => {
  it('brings its method, headers and body', async () => {
    const request = new Request(subject.url('/r'), { method: 'put', headers: { 'X-A': '1' }, body: 'text' })
    const response = await subject.fetch(request)
    expect(response.status).toBe(200)
    const { method, path, headers, body } = await subject.peer.request(1)
    expect({ method, path, body: String(body) }).toEqual({ method: 'PUT', path: '/r', body: 'text' })
    expect(headers).toMatchObject({ 'x-a': '1', 'content-type': 'text/plain;charset=UTF-8', 'content-length': '4' })
  })

  it('is used up when it had a body', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await subject.fetch(request)
    expect(request.bodyUsed).toBe(true)
    expect(await failure(subject.fetch(request))).toBeInstanceOf(TypeError)
    expect(subject.peer.seen.length).toBe(1)
  })

  it('can be sent twice when it had none', async () => {
    const request = new Request(subject.url(), { headers: { 'x-a': '1' } })
    await subject.fetch(request)
    await subject.fetch(request)
    expect(subject.peer.seen.map(({ headers }) => headers['x-a'])).toEqual(['1', '1'])
  })

  it('and its clone are sent both', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    const copy = request.clone()
    await subject.fetch(request)
    await subject.fetch(copy)
    await Promise.all(subject.peer.seen.map(({ complete }) => complete))
    expect(subject.peer.seen.map(({ body }) => String(body))).toEqual(['text', 'text'])
  })

  it('that was read is refused', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await request.text()
    expect(await failure(subject.fetch(request))).toBeInstanceOf(TypeError)
    expect(subject.peer.seen).toEqual([])
  })

  it('that was read goes out with another body', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await request.text()
    await subject.fetch(request, { body: 'other' })
    const seen = await subject.peer.request(1)
    await seen.complete
    expect(String(seen.body)).toBe('other')
  })

  it('gives way to init: method, headers as a whole, body', async () => {
    const request = new Request(subject.url(), { method: 'PUT', headers: { 'x-a': '1', 'x-b': '2' }, body: 'text' })
    await subject.fetch(request, { method: 'PATCH', headers: { 'x-c': '3' }, body: new Uint8Array([1, 2]) })
    const { method, headers, body, complete } = await subject.peer.request(1)
    await complete
    expect([method, [...body]]).toEqual(['PATCH', [1, 2]])
    expect([headers['x-a'], headers['x-b'], headers['x-c']]).toEqual([undefined, undefined, '3'])
  })

  it('keeps what init leaves undefined', async () => {
    const request = new Request(subject.url(), { method: 'PUT', headers: { 'x-a': '1' }, body: 'text' })
    const { fetch } = subject
    await fetch.call(subject, request, { method: undefined, headers: undefined, body: undefined, redirect: undefined, signal: undefined })
    const { method, headers, body, complete } = await subject.peer.request(1)
    await complete
    expect([method, headers['x-a'], String(body)]).toEqual(['PUT', '1', 'text'])
  })

  it('of a subclass is sent as what it is', async () => {
    class Own extends Request {}
    await subject.fetch(new Own(subject.url('/own'), { method: 'DELETE' }))
    const { method, path } = await subject.peer.request(1)
    expect([method, path]).toEqual(['DELETE', '/own'])
  })

  it('in place of init is read as a bag of options', async () => {
    const request = new Request(subject.url('/other'), { method: 'PUT', headers: { 'x-a': '1' } })
    const { method, path, headers } = await subject.sent(request as never)
    expect([method, path, headers['x-a']]).toEqual(['PUT', '/', '1'])
  })
})

conformance('100 calls at once', (subject) => {
  it('each get their own answer', async () => {
    subject.peer.answer(({ seen, write }) =>
      write(`HTTP/1.1 200 OK\r\ncontent-length: ${seen.path.length}\r\nx-path: ${seen.path}\r\n\r\n${seen.path}`),
    )
    const paths = Array.from({ length: 100 }, (_, index) => `/${index}`)
    const answers = await Promise.all(
      paths.map(async (path) => {
        const response = await subject.fetch(subject.url(path))
        return [response.headers.get('x-path'), await response.text()]
      }),
    )
    expect(answers).toEqual(paths.map((path) => [path, path]))
    expect(subject.peer.seen.length).toBe(100)
  })
})

import { describe, expect, it } from 'vitest'
import { reply } from './peer.ts'
import { conformance, failure } from './subjects.ts'

conformance('response headers', (subject) => {
  const answered = async (...lines: string[]): Promise<Headers> => {
    subject.peer.answer(reply(200, lines))
    return (await subject.fetch(subject.url())).headers
  }

  it('are found without regard to case', async () => {
    const headers = await answered('X-Upper: 1', 'x-lower: 2')
    expect([headers.get('x-upper'), headers.get('X-UPPER'), headers.get('X-Lower')]).toEqual(['1', '1', '2'])
    expect([headers.has('X-upper'), headers.has('x-none'), headers.get('x-none')]).toEqual([true, false, null])
  })

  it('are listed by name, in lower case', async () => {
    const headers = await answered('X-C: 3', 'x-a: 1', 'X-B: 2')
    const expected = [
      ['content-length', '0'],
      ['x-a', '1'],
      ['x-b', '2'],
      ['x-c', '3'],
    ]
    expect([...headers]).toEqual(expected)
    expect([...headers.entries()]).toEqual(expected)
    expect([...headers.keys()]).toEqual(expected.map(([name]) => name))
    expect([...headers.values()]).toEqual(expected.map(([, value]) => value))
    const seen: unknown[] = []
    headers.forEach((value, name, of) => void seen.push([name, value, of === headers]))
    expect(seen).toEqual(expected.map(([name, value]) => [name, value, true]))
  })

  it('of one name are joined, in order', async () => {
    const headers = await answered('x-a: 1', 'X-A: 2', 'x-b: between', 'x-a:', 'x-a: 1')
    expect(headers.get('x-a')).toBe('1, 2, , 1')
    expect([...headers.keys()]).toEqual(['content-length', 'x-a', 'x-b'])
  })

  it('Set-Cookie stays apart', async () => {
    const headers = await answered('set-cookie: a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT', 'x-a: 1', 'Set-Cookie: b=2', 'set-cookie: a=1')
    const cookies = ['a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT', 'b=2', 'a=1']
    expect(headers.getSetCookie()).toEqual(cookies)
    expect(headers.get('set-cookie')).toBe(cookies.join(', '))
    expect([...headers]).toEqual([['content-length', '0'], ...cookies.map((cookie) => ['set-cookie', cookie]), ['x-a', '1']])
    expect((await answered('x-a: 1')).getSetCookie()).toEqual([])
  })

  it('getSetCookie gives a list of its own', async () => {
    const headers = await answered('set-cookie: a=1')
    headers.getSetCookie().push('b=2')
    expect(headers.getSetCookie()).toEqual(['a=1'])
  })

  it.each([
    ['x-a:   spaces', 'spaces'],
    ['x-a:\ttab', 'tab'],
    ['x-a:none', 'none'],
    ['x-a:', ''],
    ['x-a: a: b', 'a: b'],
    ['x-a: "quoted, with comma"', '"quoted, with comma"'],
    ['x-a: caf\xe9', 'caf\xe9'],
    ['x-a: a\tb', 'a\tb'],
    [`x-a: ${'y'.repeat(8_000)}`, 'y'.repeat(8_000)],
  ])('%j', async (line, value) => expect((await answered(line)).get('x-a')).toBe(value))

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'])('a header may be named %s', async (name) => {
    const without = await answered('x-a: 1')
    expect([without.get(name), without.has(name)]).toEqual([null, false])
    const headers = await answered(`${name}: 1`, `${name}: 2`)
    expect([headers.get(name), headers.has(name)]).toEqual(['1, 2', true])
  })

  it('two hundred of them arrive', async () => {
    const lines = Array.from({ length: 200 }, (_, index) => `x-${index}: ${index}`)
    const headers = await answered(...lines)
    expect([...headers].filter(([name, value]) => name === `x-${value}`).length).toBe(200)
  })

  describe('cannot be changed', () => {
    it.each([
      ['set', (headers: Headers) => headers.set('x-a', '2')],
      ['set of a new name', (headers: Headers) => headers.set('x-new', '2')],
      ['append', (headers: Headers) => headers.append('x-a', '2')],
      ['delete', (headers: Headers) => headers.delete('x-a')],
      ['delete of what is not there', (headers: Headers) => headers.delete('x-none')],
    ])('by %s', async (_, change) => {
      const headers = await answered('x-a: 1')
      expect(() => change(headers)).toThrow(TypeError)
      expect(headers.get('x-a')).toBe('1')
      expect(headers.has('x-new')).toBe(false)
    })

    it('by what is done to a copy', async () => {
      const headers = await answered('x-a: 1', 'set-cookie: a=1', 'set-cookie: b=2')
      const copy = new Headers(headers)
      copy.set('x-a', '2')
      copy.append('set-cookie', 'c=3')
      expect([headers.get('x-a'), copy.get('x-a')]).toEqual(['1', '2'])
      expect([headers.getSetCookie(), copy.getSetCookie()]).toEqual([
        ['a=1', 'b=2'],
        ['a=1', 'b=2', 'c=3'],
      ])
    })
  })

  it.each([
    ['get', (headers: Headers) => headers.get('a b')],
    ['has', (headers: Headers) => headers.has('')],
    ['get without a name', (headers: Headers) => (headers.get as () => unknown)()],
  ])('%s of no valid name throws', async (_, read) => {
    const headers = await answered('x-a: 1')
    expect(() => read(headers)).toThrow(TypeError)
  })

  it('are Headers in every respect', async () => {
    const headers = await answered('x-a: 1')
    expect(headers).toBeInstanceOf(Headers)
    expect(headers.constructor).toBe(Headers)
    expect(Object.prototype.toString.call(headers)).toBe('[object Headers]')
    expect(Object.keys(headers)).toEqual([])
    expect(Object.fromEntries(headers)).toEqual({ 'content-length': '0', 'x-a': '1' })
    expect(JSON.stringify(headers)).toBe('{}')
    expect(new Map(headers).get('x-a')).toBe('1')
  })

  it('are the same object each time', async () => {
    const response = await subject.fetch(subject.url())
    expect(response.headers).toBe(response.headers)
  })

  it('can be sent on with the next request', async () => {
    subject.peer.answer(reply(200, ['x-a: 1', 'x-b: 2']))
    const { headers } = await subject.fetch(subject.url())
    const rest = new Headers(headers)
    rest.delete('content-length')
    const { headers: sent } = await subject.sent({ headers: rest })
    expect(sent).toMatchObject({ 'x-a': '1', 'x-b': '2' })
  })

  it('of an early answer are not the answer’s', async () => {
    subject.peer.answer(
      Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nx-a: early\r\n\r\n'), reply(200, ['x-b: late'], 'ok')]),
    )
    const response = await subject.fetch(subject.url())
    expect([response.status, response.headers.get('x-a'), response.headers.get('x-b'), await response.text()]).toEqual([
      200,
      null,
      'late',
      'ok',
    ])
  })

  it.each([102, 103])('several %d come before the answer', async (status) => {
    const early = Buffer.from(`HTTP/1.1 ${status} Early\r\nx-a: early\r\n\r\n`)
    subject.peer.answer(Buffer.concat([early, early, reply(200, [], 'ok')]))
    expect(await (await subject.fetch(subject.url())).text()).toBe('ok')
  })

  it('beyond 16 KiB are refused', async () => {
    subject.peer.answer(reply(200, [`x-a: ${'y'.repeat(40_000)}`]))
    const error = await failure(subject.fetch(subject.url()))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
  })
})

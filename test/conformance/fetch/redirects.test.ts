import { describe, expect, it } from 'vitest'
import { BODIES } from './bodies.ts'
import { Peer, reply } from './peer.ts'
import { conformance, failure, type Init, type Subject } from './subjects.ts'

const to = (status: number, location: string, ...lines: string[]): Buffer => reply(status, [`location: ${location}`, ...lines], 'moved')

const seenBy = (subject: Subject): string[] => subject.peer.seen.map(({ method, path }) => `${method} ${path}`)

const STATUSES = [301, 302, 303, 307, 308]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** What a redirect makes of a method (Fetch, HTTP-redirect fetch, step 12). */
function methodAfter(status: number, method: string): string {
  if (status === 303) return method === 'HEAD' ? 'HEAD' : 'GET'
  return (status === 301 || status === 302) && method === 'POST' ? 'GET' : method
}

const failed = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => false,
    () => true,
  )

/** Whether this platform can send a Buffer again. */
const KEEPS_BYTES = await (async () => {
  const peer = await Peer.start()
  peer.answer({ '/from': to(307, '/to') })
  const call = globalThis.fetch(`http://${peer.address}/from`, { method: 'POST', body: Buffer.from('bytes') })
  return !(await failed(call).finally(() => peer.close()))
})()

conformance('a redirect', (subject) => {
  describe.each(STATUSES)('%d', (status) => {
    it.each(METHODS)('of %s without body', async (method) => {
      subject.peer.answer({ '/from': to(status, '/to') })
      const response = await subject.fetch(subject.url('/from'), { method })
      expect([response.status, response.url, response.redirected]).toEqual([200, subject.url('/to'), true])
      expect(await response.text()).toBe(method === 'HEAD' ? '' : 'ok')
      expect(seenBy(subject)).toEqual([`${method} /from`, `${methodAfter(status, method)} /to`])
    })

    describe.each(['POST', 'PUT'])('of %s', (method) => {
      it.each(BODIES)('with $name', async ({ make, again, bytes, type }) => {
        subject.peer.answer({ '/from': to(status, '/to') })
        const headers = { 'content-language': 'de', 'content-location': '/x', 'x-own': '1' }
        const call = subject.fetch(subject.url('/from'), { method, body: make(), duplex: 'half', headers })
        const after = methodAfter(status, method)
        // A stream is gone, and only 303 needs it no more. Bytes may be kept where the platform does not.
        const lost = again === 'never' ? status !== 303 : again === 'bytes' && after === method && !KEEPS_BYTES
        if (lost && (again === 'never' || subject.name === 'platform' || (await failed(call)))) {
          expect(await failure(call)).toMatchObject({ name: 'TypeError', message: 'fetch failed', cause: expect.any(Error) })
          expect(seenBy(subject)).toEqual([`${method} /from`])
          return
        }
        expect((await call).status).toBe(200)
        expect(seenBy(subject)).toEqual([`${method} /from`, `${after} /to`])
        const seen = await subject.peer.request(2)
        await seen.complete
        expect(seen.headers['x-own']).toBe('1')
        if (after === method) {
          expect(seen.headers).toMatchObject({ 'content-language': 'de', 'content-location': '/x' })
          expect(seen.body.toString('latin1')).toMatch(bytes instanceof RegExp ? bytes : exactly(bytes))
          if (type !== undefined) expect(seen.headers['content-type']).toMatch(type instanceof RegExp ? type : exactly(type))
        } else {
          const left = Object.keys(seen.headers).filter((name) => name.startsWith('content-') && name !== 'content-length')
          expect([left, seen.headers['content-length'] ?? '0', seen.body.length]).toEqual([[], '0', 0])
        }
      })
    })

    it('without Location is an answer', async () => {
      subject.peer.answer(reply(status, [], 'nowhere'))
      const response = await subject.fetch(subject.url())
      expect([response.status, response.redirected, await response.text()]).toEqual([status, false, 'nowhere'])
    })

    it('is an answer when redirect is manual', async () => {
      subject.peer.answer({ '/from': to(status, '/to', 'x-a: 1') })
      const response = await subject.fetch(subject.url('/from'), { redirect: 'manual' })
      expect([response.status, response.headers.get('location'), response.headers.get('x-a'), response.redirected]).toEqual([
        status,
        '/to',
        '1',
        false,
      ])
      expect([response.url, await response.text()]).toEqual([subject.url('/from'), 'moved'])
      expect(seenBy(subject)).toEqual(['GET /from'])
    })

    it('fails when redirect is error', async () => {
      subject.peer.answer({ '/from': to(status, '/to') })
      const error = await failure(subject.fetch(subject.url('/from'), { redirect: 'error' }))
      expect([error.constructor, error.message, error.cause?.message]).toEqual([TypeError, 'fetch failed', 'unexpected redirect'])
      expect(seenBy(subject)).toEqual(['GET /from'])
    })
  })

  it.each([300, 304, 305, 306, 309, 399, 200, 201, 404])('%d with Location is none', async (status) => {
    subject.peer.answer({ '/from': to(status, '/to') })
    const response = await subject.fetch(subject.url('/from'))
    expect([response.status, response.redirected, response.url]).toEqual([status, false, subject.url('/from')])
    expect(seenBy(subject)).toEqual(['GET /from'])
  })

  it.each([
    ['/to', '/to'],
    ['to', '/a/to'],
    ['./to?x=1', '/a/to?x=1'],
    ['../to', '/to'],
    ['?only=query', '/a/from?only=query'],
    ['', '/a/from'],
    ['/sp ace', '/sp%20ace'],
    ['/%7E', '/%7E'],
    ['/a\\b', '/a/b'],
    ['/to#fragment', '/to'],
    ['  /to', '/to'],
  ])('to %j leads to %j', async (location, path) => {
    let first = true
    subject.peer.answer(({ write }) => {
      write(first ? to(302, location) : reply(200, [], 'there'))
      first = false
    })
    const response = await subject.fetch(subject.url('/a/from'))
    expect(await response.text()).toBe('there')
    expect([response.url, subject.peer.seen.at(-1)?.path]).toEqual([subject.url(path), path])
  })

  it.each([
    ['the same origin', (s: Subject) => s.url('/to')],
    ['the same origin without scheme', (s: Subject) => s.url('/to').replace('http:', '')],
    ['the same origin in capitals', (s: Subject) => s.url('/to').replace('http', 'HTTP')],
  ])('to %s is followed', async (_, location) => {
    subject.peer.answer({ '/from': to(302, location(subject)) })
    const response = await subject.fetch(subject.url('/from'))
    expect([await response.text(), response.url]).toEqual(['ok', subject.url('/to')])
  })

  it.each([
    ['UTF-8', '/\xc3\xbc', '/%C3%BC'],
    ['a full UTF-8 path', '/\xe2\x82\xac?\xe2\x82\xac', '/%E2%82%AC?%E2%82%AC'],
  ])('to %s', async (_, location, path) => {
    subject.peer.answer({ '/from': to(302, location) })
    expect((await subject.fetch(subject.url('/from'))).url).toBe(subject.url(path))
  })

  it.each([
    'http://',
    'http://[',
    'http://orders:99999/',
    'ftp://orders/',
    'data:text/plain,x',
    'file:///etc/hosts',
    'about:blank',
    'javascript:1',
  ])('to %s fails', async (location) => {
    subject.peer.answer({ '/from': to(302, location) })
    const error = await failure(subject.fetch(subject.url('/from')))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
    expect(seenBy(subject)).toEqual(['GET /from'])
  })

  it('with two Locations goes to neither', async () => {
    subject.peer.answer({ '/from': reply(302, ['location: /one', 'location: /two']) })
    const response = await subject.fetch(subject.url('/from'))
    // Both in one, as any header that came twice.
    expect(response.url).toBe(subject.url('/one,%20/two'))
  })

  it.each([
    [20, 'followed'],
    [21, 'refused'],
  ])('after %d of them is %s', async (count, end) => {
    subject.peer.answer(({ seen, write }) => {
      const left = Number(seen.path.slice(1))
      write(left === 0 ? reply(200, [], 'there') : to(302, `/${left - 1}`))
    })
    const call = subject.fetch(subject.url(`/${count}`))
    if (end === 'followed') expect(await (await call).text()).toBe('there')
    else
      expect(await failure(call)).toMatchObject({
        name: 'TypeError',
        message: 'fetch failed',
        cause: { message: 'redirect count exceeded' },
      })
    expect(subject.peer.seen.length).toBe(21)
  })

  it('in a circle ends', async () => {
    subject.peer.answer(to(302, '/'))
    expect((await failure(subject.fetch(subject.url()))).cause.message).toBe('redirect count exceeded')
    expect(subject.peer.seen.length).toBe(21)
  })

  it('changes method once: 302 after POST, then 307', async () => {
    subject.peer.answer({ '/1': to(307, '/2'), '/2': to(302, '/3'), '/3': to(307, '/4') })
    await subject.fetch(subject.url('/1'), { method: 'POST', body: 'x' })
    await Promise.all(subject.peer.seen.map(({ complete }) => complete))
    expect(subject.peer.seen.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      'POST /1 x',
      'POST /2 x',
      'GET /3 ',
      'GET /4 ',
    ])
  })

  it('shows the headers and body of the last answer only', async () => {
    subject.peer.answer({ '/from': to(302, '/to', 'x-from: 1', 'set-cookie: a=1'), '/to': reply(200, ['x-to: 1'], 'there') })
    const { headers } = await subject.fetch(subject.url('/from'))
    expect([headers.get('x-from'), headers.get('x-to'), headers.getSetCookie()]).toEqual([null, '1', []])
  })

  it.each([
    ['large', Buffer.alloc(500_000)],
    ['compressed though it is not', Buffer.from('no archive')],
  ])('has a body that nobody reads: %s', async (_, body) => {
    subject.peer.answer({ '/from': reply(302, ['location: /to', 'content-encoding: gzip'], body) })
    expect(await (await subject.fetch(subject.url('/from'))).text()).toBe('ok')
  })

  it('takes redirect and method from a Request', async () => {
    subject.peer.answer({ '/from': to(307, '/to') })
    const init: Init = { method: 'PUT', body: 'x', redirect: 'manual' }
    expect((await subject.fetch(new Request(subject.url('/from'), init as RequestInit))).status).toBe(307)
    delete init['redirect']
    expect((await subject.fetch(new Request(subject.url('/from'), init as RequestInit))).status).toBe(200)
    expect(seenBy(subject)).toEqual(['PUT /from', 'PUT /from', 'PUT /to'])
  })
})

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)
}

import { describe, expect, it } from 'vitest'
import { conformance, expectRefusal, failure } from './subjects.ts'

conformance('init', (subject) => {
  it.each([undefined, null, {}, Object.create(null), () => {}])('%o is nothing special', async (init) => {
    const { method, body } = await subject.sent(init as never)
    expect([method, body.length]).toEqual(['GET', 0])
  })

  it('may have getters and a prototype', async () => {
    class Options {
      get method(): string {
        return 'PUT'
      }
    }
    expect((await subject.sent(new Options() as never)).method).toBe('PUT')
  })

  it.each([1, 'text', true, Symbol('init')])('%o is refused', (init) => expectRefusal(subject, () => init as never))

  it.each([
    ['get', 'GET'],
    ['Get', 'GET'],
    ['head', 'HEAD'],
    ['post', 'POST'],
    ['put', 'PUT'],
    ['delete', 'DELETE'],
    ['options', 'OPTIONS'],
    ['patch', 'patch'],
    ['PATCH', 'PATCH'],
    ['QUERY', 'QUERY'],
    ['PROPFIND', 'PROPFIND'],
  ])('method %s goes out as %s', async (written, method) => {
    const known = await globalThis.fetch(`http://${subject.peer.address}/`, { method: written }).then(
      () => method,
      () => undefined,
    )
    const made = subject.sent({ method: written })
    if (known === undefined) expect((await failure(made)).message).toBe('fetch failed')
    else expect((await made).method).toBe(method)
  })

  describe.each([
    ['method', ['', ' GET', 'GE T', 'GÉT', 'GET\r\n', 'a,b', 'CONNECT', 'connect', 'TRACE', 'trace', 'TRACK', 'TrAcK', null, {}]],
    ['redirect', ['', 'Follow', 'yes', null]],
    ['mode', ['navigate', 'nonsense', '']],
    ['credentials', ['yes', '']],
    ['cache', ['never', '']],
    ['referrerPolicy', ['nonsense']],
    ['referrer', ['http://[']],
    ['window', ['self', 1]],
    ['signal', ['abort', 1, {}, new EventTarget()]],
    ['duplex', ['full', '']],
  ])('%s', (name, values) => {
    it.each(values as unknown[])('%o is refused', async (value) => {
      const init = { [name]: value }
      // What this platform lets pass has to pass; the loopback address is a host that it can reach by itself.
      const passes = await globalThis.fetch(`http://${subject.other.address}/`, init as RequestInit).then(
        () => true,
        () => false,
      )
      if (passes) expect((await subject.fetch(subject.url(), init)).status).toBe(200)
      else await expectRefusal(subject, () => init)
    })
  })

  it.each([
    ['window', null],
    ['signal', null],
    ['signal', undefined],
    ['integrity', ''],
    ['keepalive', true],
    ['referrer', ''],
    ['referrer', 'about:client'],
    ['priority', 'high'],
    ['credentials', 'omit'],
    ['credentials', 'include'],
    ['mode', 'cors'],
    ['mode', 'no-cors'],
    ['cache', 'no-store'],
    ['unknown', Symbol('key')],
    ['duplex', 'half'],
  ])('%s: %o passes', async (name, value) => expect((await subject.fetch(subject.url(), { [name]: value })).status).toBe(200))

  it.each([
    ['GET', 'text'],
    ['HEAD', 'text'],
    [undefined, ''],
    ['get', new Uint8Array(0)],
  ])('method %s with body %o is refused', (method, body) => expectRefusal(subject, () => ({ method, body })))

  it('mode no-cors allows simple methods only', () => expectRefusal(subject, () => ({ mode: 'no-cors', method: 'PUT' })))
  it('cache only-if-cached asks for same-origin', () => expectRefusal(subject, () => ({ cache: 'only-if-cached' })))

  it.each([
    ['ok', 'passes'],
    ['other', 'fails'],
  ])('integrity of %j %s', async (text, end) => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
    const call = subject.fetch(subject.url(), { integrity: `sha256-${Buffer.from(digest).toString('base64')}` })
    if (end === 'passes') expect(await (await call).text()).toBe('ok')
    else expect(await failure(call)).toMatchObject({ name: 'TypeError', message: 'fetch failed' })
  })
})

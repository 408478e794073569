import { describe, expect, it } from 'vitest'
import { reply } from './peer.ts'
import { conformance, failure, type Subject } from './subjects.ts'

const SECRETS = { authorization: 'Bearer x', cookie: 'a=1', 'proxy-authorization': 'Basic x' }
const OTHERS = { 'x-own': '1', accept: 'text/html', 'user-agent': 'mine' }

const abroad = (subject: Subject, status = 302, path = '/to'): void =>
  subject.peer.answer({ '/from': reply(status, [`location: ${subject.elsewhere(path)}`]) })

conformance('a redirect to another origin', (subject) => {
  it.each([301, 302, 303, 307, 308])('%d is followed', async (status) => {
    abroad(subject, status)
    const response = await subject.fetch(subject.url('/from'))
    expect([response.url, response.redirected, await response.text()]).toEqual([subject.elsewhere('/to'), true, 'ok'])
    expect(subject.other.seen.map(({ path }) => path)).toEqual(['/to'])
  })

  it.each([301, 302, 303, 307, 308])('%d leaves secrets behind', async (status) => {
    abroad(subject, status)
    await subject.fetch(subject.url('/from'), { method: 'POST', body: 'x', headers: { ...SECRETS, ...OTHERS } })
    const { headers } = await subject.other.request(1)
    expect(headers).toMatchObject(OTHERS)
    expect(Object.keys(headers).filter((name) => name in SECRETS)).toEqual([])
    expect((await subject.peer.request(1)).headers).toMatchObject(SECRETS)
  })

  it('leaves them behind from a Request as well', async () => {
    abroad(subject)
    await subject.fetch(new Request(subject.url('/from'), { headers: SECRETS }))
    expect(Object.keys((await subject.other.request(1)).headers).filter((name) => name in SECRETS)).toEqual([])
  })

  it('and back again does not bring them back', async () => {
    abroad(subject)
    subject.other.answer({ '/to': reply(302, [`location: ${subject.url('/home')}`]) })
    const response = await subject.fetch(subject.url('/from'), { headers: SECRETS })
    expect(response.url).toBe(subject.url('/home'))
    expect(Object.keys((await subject.peer.request(2)).headers).filter((name) => name in SECRETS)).toEqual([])
  })

  it('to the same origin keeps them', async () => {
    subject.peer.answer({ '/from': reply(302, [`location: ${subject.url('/to')}`]) })
    await subject.fetch(subject.url('/from'), { headers: { ...SECRETS, ...OTHERS } })
    expect((await subject.peer.request(2)).headers).toMatchObject({ ...SECRETS, ...OTHERS })
  })

  it('keeps the body of 307', async () => {
    abroad(subject, 307)
    await subject.fetch(subject.url('/from'), { method: 'PUT', body: 'text' })
    const { method, body, complete } = await subject.other.request(1)
    await complete
    expect([method, String(body)]).toEqual(['PUT', 'text'])
  })

  it('has a Host of its own', async () => {
    abroad(subject)
    await subject.fetch(subject.url('/from'))
    const { lines } = await subject.other.request(1)
    expect(lines.filter(([name]) => name.toLowerCase() === 'host')).toEqual([['host', new URL(subject.elsewhere()).host]])
  })

  it('is an answer when redirect is manual', async () => {
    abroad(subject)
    const response = await subject.fetch(subject.url('/from'), { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([302, subject.elsewhere('/to')])
    expect(subject.other.seen).toEqual([])
  })

  it('shows the type that the platform shows', async () => {
    abroad(subject)
    subject.other.answer(reply(200, ['x-secret: 1']))
    const { type, headers } = await subject.fetch(subject.url('/from'))
    expect([type, headers.get('x-secret')]).toEqual(['basic', '1'])
  })

  it('fails with mode same-origin, or as the platform does', async () => {
    abroad(subject)
    const outcome = (call: Promise<Response>): Promise<unknown> =>
      call.then(
        ({ status }) => status,
        (error: Error) => error.message,
      )
    const location = `http://${subject.other.address}/to`
    subject.other.answer({ '/probe': reply(302, [`location: http://${subject.peer.address}/x`]) })
    const platform = await outcome(globalThis.fetch(`http://${subject.other.address}/probe`, { mode: 'same-origin' }))
    expect(location).toContain(subject.other.address)
    expect(await outcome(subject.fetch(subject.url('/from'), { mode: 'same-origin' }))).toBe(platform)
  })

  describe('with a user in its Location', () => {
    it.each(['user@', 'user:secret@', ':secret@'])('%s', async (user) => {
      subject.peer.answer({ '/from': reply(302, [`location: ${subject.elsewhere('/to').replace('//', `//${user}`)}`]) })
      const call = subject.fetch(subject.url('/from'))
      // The platform follows unless the mode is cors and the origin differs; fetch without an origin is cors.
      const error = await failure(call)
      expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
      expect(subject.other.seen).toEqual([])
    })

    it.each(['user@', 'user:secret@'])('%s on the same origin', async (user) => {
      subject.peer.answer({ '/from': reply(302, [`location: ${subject.url('/to').replace('//', `//${user}`)}`]) })
      const response = await subject.fetch(subject.url('/from'))
      expect(response.status).toBe(200)
    })
  })
})

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

  it('shows all headers and has the type cors', async () => {
    abroad(subject)
    subject.other.answer(reply(200, ['x-secret: 1']))
    const { type, headers } = await subject.fetch(subject.url('/from'))
    expect([type, headers.get('x-secret')]).toEqual(['cors', '1'])
  })

  it.each(['same-origin', 'cors'])('with mode %s goes as far as the platform', async (mode) => {
    abroad(subject)
    subject.other.answer({ '/probe': reply(302, [`location: http://${subject.peer.address}/to`]) })
    const outcome = (call: Promise<Response>): Promise<unknown> =>
      call.then(
        ({ status, type }) => ({ status, type }),
        ({ message, cause }: Error) => ({ message, cause: (cause as Error).message }),
      )
    const platform = await outcome(globalThis.fetch(`http://${subject.other.address}/probe`, { mode: mode as 'cors' }))
    expect(await outcome(subject.fetch(subject.url('/from'), { mode }))).toEqual(platform)
  })

  describe.each(['elsewhere', 'url'] as const)('with a user in its Location (%s)', (place) => {
    it.each(['user@', 'user:secret@', ':secret@'])('%s', async (user) => {
      subject.peer.answer({ '/from': reply(302, [`location: ${subject[place]('/to').replace('//', `//${user}`)}`]) })
      const error = await failure(subject.fetch(subject.url('/from')))
      expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
      expect([subject.peer.seen.length, subject.other.seen.length]).toEqual([1, 0])
    })
  })
})

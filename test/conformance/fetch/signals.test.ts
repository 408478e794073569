import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { CHUNKED, chunked, reply, type Script } from './peer.ts'
import { conformance, failure } from './subjects.ts'

const OWN = new Error('my own reason')

const silent: Script = () => {}
const stalled: Script = ({ write }) => void write(Buffer.concat([reply(200, [CHUNKED]), chunked(['part']).subarray(0, -5)]))

conformance('a signal', (subject) => {
  it('of a Request aborts', async () => {
    const aborter = new AbortController()
    subject.peer.answer(silent)
    const request = new Request(subject.url(), { signal: aborter.signal })
    const call = subject.fetch(request)
    await subject.peer.request(1)
    aborter.abort(OWN)
    expect(await failure(call)).toBe(OWN)
    // A platform forgets the signal with the Request, so it has to live until here.
    expect(request.signal.aborted).toBe(true)
  })

  it('of init takes the place of that of a Request', async () => {
    const [first, second] = [new AbortController(), new AbortController()]
    subject.peer.answer(silent)
    const request = new Request(subject.url(), { signal: first.signal })
    const call = subject.fetch(request, { signal: second.signal })
    await subject.peer.request(1)
    first.abort(new Error('not this one'))
    second.abort(OWN)
    expect(await failure(call)).toBe(OWN)
  })

  it('null takes that of a Request away', async () => {
    const aborter = new AbortController()
    const request = new Request(subject.url(), { signal: aborter.signal })
    aborter.abort(OWN)
    expect((await subject.fetch(request, { signal: null })).status).toBe(200)
  })

  it('that comes from AbortSignal.abort', async () => {
    expect(await failure(subject.fetch(subject.url(), { signal: AbortSignal.abort() }))).toMatchObject({ name: 'AbortError' })
    expect(await failure(subject.fetch(subject.url(), { signal: AbortSignal.abort(OWN) }))).toBe(OWN)
  })

  it.each([
    ['before the head', silent, (response: Promise<Response>) => response],
    ['in the body', stalled, async (response: Promise<Response>) => (await response).text()],
  ])('that comes from AbortSignal.timeout, %s', async (_, script, use) => {
    subject.peer.answer(script)
    const error = await failure(use(subject.fetch(subject.url(), { signal: AbortSignal.timeout(30) })))
    expect(error).toBeInstanceOf(DOMException)
    expect(error).toMatchObject({ name: 'TimeoutError', code: 23, message: 'The operation was aborted due to timeout' })
    await (await subject.peer.request(1)).closed
  })

  it.each([0, 1])('that comes from AbortSignal.any, when number %d aborts', async (index) => {
    const aborters = [new AbortController(), new AbortController()]
    subject.peer.answer(stalled)
    const response = await subject.fetch(subject.url(), { signal: AbortSignal.any(aborters.map(({ signal }) => signal)) })
    const reading = failure(response.text())
    aborters[index]?.abort(OWN)
    expect(await reading).toBe(OWN)
  })

  it('that comes too late does nothing', async () => {
    const signal = AbortSignal.timeout(300)
    const response = await subject.fetch(subject.url(), { signal })
    expect(await response.text()).toBe('ok')
    while (!signal.aborted) await sleep(5)
    expect(await (await subject.fetch(subject.url())).text()).toBe('ok')
  })

  it('may be inherited by init', async () => {
    const init = Object.create({ signal: AbortSignal.abort(OWN) })
    expect(await failure(subject.fetch(subject.url(), init))).toBe(OWN)
  })
})

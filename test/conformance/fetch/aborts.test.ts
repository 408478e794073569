import { describe, expect, it } from 'vitest'
import { CHUNKED, chunked, Peer, reply, type Script } from './peer.ts'
import { conformance, failure, type Init } from './subjects.ts'

const HEAD = `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n\r\n`

/** A head and a part of the body; the rest never comes. */
const stalled: Script = ({ write }) => void write(Buffer.concat([Buffer.from(HEAD), chunked(['part']).subarray(0, -5)]))
/** A head, and nothing of the body. */
const headOnly: Script = ({ write }) => void write(HEAD)
const silent: Script = () => {}

/** What the reason of an abort looks like to whoever waits. */
interface Reason {
  name: string
  abort(aborter: AbortController): void
  /** The very object, or the name of the error that the platform makes. */
  expected: unknown
}

const OWN = new Error('my own reason')
const PLAIN = { why: 'because' }
const REASONS: Reason[] = [
  { name: 'no reason', abort: (aborter) => aborter.abort(), expected: 'AbortError' },
  { name: 'undefined', abort: (aborter) => aborter.abort(undefined), expected: 'AbortError' },
  { name: 'an error', abort: (aborter) => aborter.abort(OWN), expected: OWN },
  { name: 'a string', abort: (aborter) => aborter.abort('because'), expected: 'because' },
  { name: 'an object', abort: (aborter) => aborter.abort(PLAIN), expected: PLAIN },
]

/** The reason itself; nothing wrapped around it. */
async function expectReason(work: Promise<unknown>, { name, expected }: Reason, signal: AbortSignal): Promise<void> {
  const reason: unknown = await failure(work)
  expect(reason).toBe(signal.reason)
  if (expected === 'AbortError') {
    expect(reason).toBeInstanceOf(DOMException)
    expect(reason).toMatchObject({ name: 'AbortError', code: 20, message: 'This operation was aborted' })
  } else expect(reason, name).toBe(expected)
}

/** Whether this platform remembers the reason for a body that nobody had begun to read. */
const KEEPS_REASON = await (async () => {
  const peer = await Peer.start()
  peer.answer(headOnly)
  const aborter = new AbortController()
  const response = await globalThis.fetch(`http://${peer.address}/`, { signal: aborter.signal })
  aborter.abort(OWN)
  return (await failure(response.text()).finally(() => peer.close())) === OWN
})()

const isAbortError = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError'

const bodyOf = (response: Response): ReadableStream<Uint8Array> => response.body as ReadableStream<Uint8Array>

conformance('an abort', (subject) => {
  const started = (script: Script, init: Init = {}): { call: Promise<Response>; aborter: AbortController } => {
    subject.peer.answer(script)
    const aborter = new AbortController()
    return { call: subject.fetch(subject.url(), { ...init, signal: aborter.signal }), aborter }
  }

  describe.each(REASONS)('with $name', (reason) => {
    it('before the call', async () => {
      const aborter = new AbortController()
      reason.abort(aborter)
      await expectReason(subject.fetch(subject.url(), { signal: aborter.signal }), reason, aborter.signal)
      expect(subject.peer.seen).toEqual([])
    })

    it('right after the call', async () => {
      const { call, aborter } = started(silent)
      reason.abort(aborter)
      await expectReason(call, reason, aborter.signal)
    })

    it('while the answer is awaited', async () => {
      const { call, aborter } = started(silent)
      const { closed } = await subject.peer.request(1)
      reason.abort(aborter)
      await expectReason(call, reason, aborter.signal)
      await closed
    })

    it('between head and body', async () => {
      const { call, aborter } = started(headOnly)
      const response = await call
      reason.abort(aborter)
      const error = await failure(response.text())
      if (KEEPS_REASON || !isAbortError(error)) expect(error).toBe(aborter.signal.reason)
      await (await subject.peer.request(1)).closed
    })

    it.each(['text', 'json', 'arrayBuffer', 'blob'] as const)('while %s reads the body', async (read) => {
      const { call, aborter } = started(stalled)
      const reading = (await call)[read]()
      // Handled from the start: it fails before anybody looks.
      const ended = expectReason(reading, reason, aborter.signal)
      await new Promise((resolve) => setImmediate(resolve))
      reason.abort(aborter)
      await ended
      await (await subject.peer.request(1)).closed
    })

    it('while a reader waits', async () => {
      const { call, aborter } = started(stalled)
      const reader = bodyOf(await call).getReader()
      expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('part')
      const next = expectReason(reader.read(), reason, aborter.signal)
      const closed = expectReason(reader.closed, reason, aborter.signal)
      reason.abort(aborter)
      await Promise.all([next, closed])
      await (await subject.peer.request(1)).closed
    })

    it('while a loop reads', async () => {
      const { call, aborter } = started(stalled)
      const response = await call
      const loop = async (): Promise<void> => {
        for await (const _ of bodyOf(response) as unknown as AsyncIterable<Uint8Array>) reason.abort(aborter)
      }
      await expectReason(loop(), reason, aborter.signal)
    })

    it('while it goes into a pipe', async () => {
      const { call, aborter } = started(stalled)
      const seen: unknown[] = []
      const piping = bodyOf(await call).pipeTo(
        new WritableStream({ write: () => reason.abort(aborter), abort: (why) => void seen.push(why) }),
      )
      await expectReason(piping, reason, aborter.signal)
      expect(seen).toEqual([aborter.signal.reason])
    })

    it('in the middle of an upload', async () => {
      const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('begun')) })
      const { call, aborter } = started(silent, { method: 'POST', body, duplex: 'half' })
      const { received, closed } = await subject.peer.request(1)
      await received(5)
      reason.abort(aborter)
      await expectReason(call, reason, aborter.signal)
      await closed
    })

    it('after a redirect', async () => {
      subject.peer.answer({ '/from': reply(302, ['location: /to']), '/to': silent })
      const aborter = new AbortController()
      const call = subject.fetch(subject.url('/from'), { signal: aborter.signal })
      await subject.peer.request(2)
      reason.abort(aborter)
      await expectReason(call, reason, aborter.signal)
    })
  })

  it('reaches both branches of a clone', async () => {
    const { call, aborter } = started(stalled)
    const response = await call
    const reads = [response.clone(), response].map((each) => failure(each.text()))
    aborter.abort(OWN)
    expect(await Promise.all(reads)).toEqual([OWN, OWN])
  })

  it('after the body was read changes nothing', async () => {
    const { call, aborter } = started(({ write }) => write(reply(200, [], 'ok')))
    const response = await call
    expect(await response.text()).toBe('ok')
    aborter.abort(OWN)
    expect([response.status, response.bodyUsed, await (await subject.fetch(subject.url())).text()]).toEqual([200, true, 'ok'])
  })

  it.each([
    ['that has come whole', reply(200, [], 'ok'), 'ok'],
    ['that is none', reply(204), ''],
  ])('before a body is read %s', async (_, answer, text) => {
    const { call, aborter } = started(({ write }) => void write(answer))
    const response = await call
    // It has come when another one has made the same way.
    await (await subject.fetch(subject.url())).text()
    aborter.abort(OWN)
    const outcome: unknown = await response.text().catch((error: unknown) => error)
    // Whether a stream that was closed can still fail is a matter of moments.
    if (KEEPS_REASON || !isAbortError(outcome)) expect([text, OWN]).toContain(outcome)
  })

  it('twice is an abort', async () => {
    const { call, aborter } = started(silent)
    await subject.peer.request(1)
    aborter.abort(OWN)
    aborter.abort(new Error('another'))
    expect(await failure(call)).toBe(OWN)
  })

  it('ends many calls of one signal', async () => {
    subject.peer.answer(silent)
    const aborter = new AbortController()
    const calls = Array.from({ length: 20 }, () => failure(subject.fetch(subject.url(), { signal: aborter.signal })))
    await subject.peer.request(20)
    aborter.abort(OWN)
    expect(await Promise.all(calls)).toEqual(calls.map(() => OWN))
  })

  it('of one call leaves the others alone', async () => {
    const { call, aborter } = started(silent)
    await subject.peer.request(1)
    subject.peer.answer(reply(200, [], 'other'))
    const other = subject.fetch(subject.url('/other'))
    aborter.abort(OWN)
    expect(await failure(call)).toBe(OWN)
    expect(await (await other).text()).toBe('other')
  })

  it('of a body that nobody reads leaves no rejection behind', async () => {
    const { call, aborter } = started(stalled)
    await call
    const { closed } = await subject.peer.request(1)
    aborter.abort(OWN)
    await closed
  })
})

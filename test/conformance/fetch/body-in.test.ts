import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { asyncOf, BODIES, streamOf } from './bodies.ts'
import { reply } from './peer.ts'
import { conformance, expectRefusal, failure } from './subjects.ts'

conformance('a body that is sent', (subject) => {
  describe.each(BODIES)('$name', ({ make, type, length, bytes }) => {
    it.each(['POST', 'PUT', 'DELETE', 'PROPFIND'])('with %s', async (method) => {
      const { method: seen, headers, body } = await subject.sent({ method, body: make(), duplex: 'half' })
      expect(seen).toBe(method)
      if (type instanceof RegExp) expect(headers['content-type']).toMatch(type)
      else expect(headers['content-type']).toBe(type)
      if (bytes instanceof RegExp) expect(body.toString('latin1')).toMatch(bytes)
      else expect(body.toString('latin1')).toBe(bytes)
      if (length === undefined && body.length > 0)
        expect(headers['content-length'] ?? headers['transfer-encoding']).toMatch(/^(\d+|chunked)$/)
      else if (length === undefined) expect(body.length).toBe(0)
      else if (length > 0 || method.startsWith('P')) expect(headers['content-length']).toBe(String(length))
    })

    it('leaves a content-type alone that was given', async () => {
      const { headers } = await subject.sent({
        method: 'POST',
        body: make(),
        duplex: 'half',
        headers: { 'Content-Type': 'application/x-own' },
      })
      expect(headers['content-type']).toBe('application/x-own')
    })
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'HEAD'])('none with %s', async (method) => {
    for (const body of [undefined, null]) {
      const { headers, body: sent } = await subject.sent({ method, body })
      // Who expects no body of a method needs no length of it (RFC 9110 §8.6).
      expect([headers['content-type'], headers['transfer-encoding'], sent.length]).toEqual([undefined, undefined, 0])
      if (method === 'POST' || method === 'PUT') expect(headers['content-length']).toBe('0')
      else expect(headers['content-length'] ?? '0').toBe('0')
    }
  })

  it('a boundary agrees with the content-type', async () => {
    const data = new FormData()
    data.append('a', '1')
    const { headers, body } = await subject.sent({ method: 'POST', body: data })
    const boundary = /boundary=(\S+)$/.exec(headers['content-type'] as string)?.[1]
    expect(body.toString().startsWith(`--${boundary}\r\n`)).toBe(true)
    const read = await new Response(body, { headers: { 'content-type': headers['content-type'] as string } }).formData()
    expect([...read]).toEqual([['a', '1']])
  })

  it('a boundary is new each time', async () => {
    const types = [new FormData(), new FormData()].map(
      async (body) => (await subject.sent({ method: 'POST', body })).headers['content-type'],
    )
    const [first, second] = await Promise.all(types)
    expect(first).not.toBe(second)
  })

  it('a Node stream is an async iterable', async () => {
    const { body } = await subject.sent({
      method: 'POST',
      body: Readable.from(['no', 'de'].map((text) => Buffer.from(text))),
      duplex: 'half',
    })
    expect(String(body)).toBe('node')
  })

  it('a Uint8Array is sent as it was when fetch was called', async () => {
    const bytes = new Uint8Array([1, 2, 3])
    const sent = subject.sent({ method: 'POST', body: bytes })
    bytes.fill(9)
    expect([...(await sent).body]).toEqual([1, 2, 3])
  })

  it('FormData and URLSearchParams are sent as they were when fetch was called', async () => {
    const data = new FormData()
    data.append('a', 'before')
    const sentData = subject.sent({ method: 'POST', body: data })
    data.set('a', 'after')
    expect(String((await sentData).body)).toContain('before')
    const params = new URLSearchParams('a=before')
    const sentParams = subject.sent({ method: 'POST', body: params })
    params.set('a', 'after')
    expect(String((await sentParams).body)).toBe('a=before')
  })

  it.each([
    ['a string', () => 'x'.repeat(1_000_000)],
    ['a Buffer', () => Buffer.alloc(1_000_000, 'x')],
    ['a Blob', () => new Blob(['x'.repeat(1_000_000)])],
    ['a stream', () => streamOf(...Array.from({ length: 100 }, () => 'x'.repeat(10_000)))],
  ])('%s of a megabyte arrives whole', async (_, make) => {
    const { body } = await subject.sent({ method: 'POST', body: make(), duplex: 'half' })
    expect(body.length).toBe(1_000_000)
    expect(body.equals(Buffer.alloc(1_000_000, 'x'))).toBe(true)
  })

  it('a content-length that is right may be given', async () => {
    const { headers, body } = await subject.sent({ method: 'POST', body: 'four', headers: { 'content-length': '4' } })
    expect([headers['content-length'], String(body)]).toEqual(['4', 'four'])
  })
})

conformance('a stream that is sent', (subject) => {
  const post = (body: unknown, change = {}): Promise<Response> =>
    subject.fetch(subject.url(), { method: 'POST', body, duplex: 'half', ...change })

  it.each([
    ['ReadableStream', () => streamOf('x')],
    ['async iterable', () => asyncOf('x')],
  ])('a %s asks for duplex', (_, make) => expectRefusal(subject, () => ({ method: 'POST', body: make() })))

  it('is refused while somebody reads it', () =>
    expectRefusal(subject, () => {
      const body = streamOf('x')
      body.getReader()
      return { method: 'POST', body, duplex: 'half' }
    }))

  it('is refused when it was read before', async () => {
    const body = streamOf('x', 'y')
    const reader = body.getReader()
    await reader.read()
    reader.releaseLock()
    await expectRefusal(subject, () => ({ method: 'POST', body, duplex: 'half' }))
  })

  it('is refused with keepalive', () =>
    expectRefusal(subject, () => ({ method: 'POST', body: streamOf('x'), duplex: 'half', keepalive: true })))

  it('is sent once', async () => {
    const body = streamOf('x')
    await post(body)
    expect(await failure(post(body))).toBeInstanceOf(TypeError)
    expect(subject.peer.seen.length).toBe(1)
  })

  it('goes out while it is made, and the answer may come before its end', async () => {
    let end: (() => void) | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('first'))
        end = () => {
          controller.enqueue(Buffer.from('last'))
          controller.close()
        }
      },
    })
    subject.peer.answer(async ({ seen, write }) => {
      await seen.received(5)
      end?.()
      await seen.complete
      write(reply(200, [], seen.body))
    })
    expect(await (await post(body)).text()).toBe('firstlast')
  })

  it('is pulled no faster than the server reads', async () => {
    let pulled = 0
    let over = false
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++
          if (over) controller.close()
          else controller.enqueue(Buffer.alloc(65_536))
        },
      },
      { highWaterMark: 0 },
    )
    subject.peer.answer(({ socket }) => socket.pause())
    const aborter = new AbortController()
    const call = post(body, { signal: aborter.signal })
    await subject.peer.request(1)
    // Full when nothing more is asked for in 50 ms; kernels keep a few megabytes.
    for (let before = -1; before !== pulled; ) {
      before = pulled
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    // The platform goes on pulling after an abort, and would never come to an end.
    over = true
    expect(pulled).toBeGreaterThan(0)
    expect(pulled).toBeLessThan(400)
    aborter.abort()
    await failure(call)
  })

  it.each([
    ['a stream', (error: Error) => new ReadableStream({ pull: () => Promise.reject(error) })],
    [
      'an async iterable',
      async function* (error: Error) {
        yield Buffer.from('begun')
        throw error
      },
    ],
  ])('fails with %s that fails', async (_, make) => {
    const own = new Error('the source broke')
    const error = await failure(post(make(own)))
    // Platforms differ in whether they wrap it.
    expect([error, error.cause]).toContain(own)
  })
})

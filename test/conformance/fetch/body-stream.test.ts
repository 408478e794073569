import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { CHUNKED, chunked, reply, type Script } from './peer.ts'
import { collectGarbage, conformance, failure, type Subject } from './subjects.ts'

type Body = ReadableStream<Uint8Array>

const HEAD = `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n\r\n`
const PIECE = chunked(['x'.repeat(65_536)]).subarray(0, -5)

/** Sends until nobody takes it any more; `written` counts what the socket took. */
function endless(): { script: Script; written: () => number } {
  let written = 0
  return {
    written: () => written,
    script: ({ socket, write }) => {
      const pump = (): void => {
        for (let more = true; more && socket.writable; ) {
          more = write(PIECE)
          written += PIECE.length
        }
      }
      write(HEAD)
      socket.on('drain', pump)
      pump()
    },
  }
}

async function bodyOf(subject: Subject, text = 'body'): Promise<Body> {
  subject.peer.answer(reply(200, [], text))
  return (await subject.fetch(subject.url())).body as Body
}

async function textOf(body: Body | null | undefined): Promise<string> {
  let text = ''
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString()
  return text
}

conformance('a body as a stream', (subject) => {
  it('gives Uint8Arrays', async () => {
    const reader = (await bodyOf(subject)).getReader()
    const { done, value } = await reader.read()
    expect([done, value?.constructor, Buffer.from(value as Uint8Array).toString()]).toEqual([false, Uint8Array, 'body'])
    expect(await reader.read()).toEqual({ done: true, value: undefined })
    await reader.closed
  })

  it('is the same stream each time', async () => {
    const response = await subject.fetch(subject.url())
    expect(response.body).toBe(response.body)
    expect(Object.prototype.toString.call(response.body)).toBe('[object ReadableStream]')
    expect(response.body?.constructor).toBe(ReadableStream)
  })

  it('comes as it is sent', async () => {
    let send: ((text: string) => void) | undefined
    subject.peer.answer(({ write }) => {
      write(HEAD)
      send = (text) => void write(text === '' ? '0\r\n\r\n' : chunked([text]).subarray(0, -5))
    })
    const reader = ((await subject.fetch(subject.url())).body as Body).getReader()
    for (const text of ['one', 'two', 'three']) {
      send?.(text)
      const { value } = await reader.read()
      expect(Buffer.from(value as Uint8Array).toString()).toBe(text)
    }
    send?.('')
    expect((await reader.read()).done).toBe(true)
  })

  it('is used from the first read on', async () => {
    subject.peer.answer(reply(200, [], 'body'))
    const response = await subject.fetch(subject.url())
    const reader = (response.body as Body).getReader()
    expect(response.bodyUsed).toBe(false)
    await reader.read()
    expect(response.bodyUsed).toBe(true)
    reader.releaseLock()
    expect([response.bodyUsed, response.body?.locked]).toEqual([true, false])
    expect(await failure(response.text())).toBeInstanceOf(TypeError)
  })

  it('is used when it was cancelled', async () => {
    const response = await subject.fetch(subject.url())
    await response.body?.cancel()
    expect(response.bodyUsed).toBe(true)
    expect(await failure(response.text())).toBeInstanceOf(TypeError)
  })

  it('is read into a buffer of one’s own', async () => {
    const reader = (await bodyOf(subject, 'abcdefgh')).getReader({ mode: 'byob' })
    let text = ''
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(3))
      if (done) break
      expect(value.byteLength).toBeLessThanOrEqual(3)
      text += Buffer.from(value).toString()
    }
    expect(text).toBe('abcdefgh')
  })

  it('serves many reads asked for at once', async () => {
    subject.peer.answer(Buffer.concat([Buffer.from(HEAD), chunked(['a', 'b', 'c'])]))
    const reader = ((await subject.fetch(subject.url())).body as Body).getReader()
    const reads = await Promise.all(Array.from({ length: 5 }, () => reader.read()))
    expect(Buffer.concat(reads.map(({ value }) => value ?? new Uint8Array(0))).toString()).toBe('abc')
    expect(reads.at(-1)?.done).toBe(true)
  })

  it('is iterated', async () => {
    const body = await bodyOf(subject)
    expect(await textOf(body)).toBe('body')
    expect(body.locked).toBe(false)
  })

  it('is split in two', async () => {
    const [first, second] = (await bodyOf(subject)).tee()
    expect(await Promise.all([textOf(first), textOf(second)])).toEqual(['body', 'body'])
  })

  it('is piped', async () => {
    const pieces: Uint8Array[] = []
    const body = await bodyOf(subject, 'x'.repeat(300_000))
    await body.pipeTo(new WritableStream<Uint8Array>({ write: (piece) => void pieces.push(piece) }))
    expect(Buffer.concat(pieces).length).toBe(300_000)
  })

  it('is piped through a transform', async () => {
    const body = (await bodyOf(subject, 'ü€😀')).pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>
    let text = ''
    for await (const piece of body) text += piece
    expect(text).toBe('ü€😀')
  })

  it('waits for whoever reads it', async () => {
    const { script, written } = endless()
    subject.peer.answer(script)
    const { body } = await subject.fetch(subject.url())
    const reader = (body as Body).getReader()
    await reader.read()
    // Full when the server got rid of nothing more in 50 ms; kernels keep a few megabytes.
    for (let before = -1; before !== written(); await sleep(50)) before = written()
    expect(written()).toBeLessThan(32 * 1024 * 1024)
    const full = written()
    // It goes on when it is read again.
    for (let read = 0; read < full; ) read += (await reader.read()).value?.length ?? Number.POSITIVE_INFINITY
    while (written() === full) await sleep(1)
    await reader.cancel()
  })

  it.each([
    ['cancel of the body', (body: Body) => body.cancel('enough')],
    ['cancel of a reader', (body: Body) => body.getReader().cancel()],
    [
      'cancel half-way',
      async (body: Body) => {
        const reader = body.getReader()
        await reader.read()
        await reader.cancel(new Error('enough'))
      },
    ],
    [
      'break out of a loop',
      async (body: Body) => {
        for await (const _ of body as unknown as AsyncIterable<Uint8Array>) break
      },
    ],
    [
      'a throw in a loop',
      (body: Body) =>
        (async () => {
          for await (const _ of body as unknown as AsyncIterable<Uint8Array>) throw new Error('mine')
        })().catch(() => {}),
    ],
    [
      'a pipe that breaks',
      (body: Body) => body.pipeTo(new WritableStream({ write: () => Promise.reject(new Error('full')) })).catch(() => {}),
    ],
    ['cancel of both halves', (body: Body) => Promise.all(body.tee().map((half) => half.cancel()))],
  ])('%s closes the connection', async (_, stop) => {
    subject.peer.answer(endless().script)
    const { body } = await subject.fetch(subject.url())
    await stop(body as Body)
    const { closed } = await subject.peer.request(1)
    await closed
  })

  it.each([
    ['small', reply(200, [], 'small')],
    ['empty', reply(200)],
    ['of a megabyte', reply(200, [], Buffer.alloc(1_000_000))],
  ])('that is never read, %s, holds up no later call', async (_, answer) => {
    subject.peer.answer({ '/unread': answer })
    const unread = await Promise.all(Array.from({ length: 20 }, () => subject.fetch(subject.url('/unread'))))
    expect(await (await subject.fetch(subject.url('/next'))).text()).toBe('ok')
    // Late, but not too late.
    for (const response of unread) expect((await response.arrayBuffer()).byteLength).toBe(answer.length - answer.indexOf('\r\n\r\n') - 4)
  })

  it.each([
    ['that was read', 'GET', 200],
    ['of POST', 'POST', 201],
    ['of 204', 'GET', 204],
    ['of 304', 'GET', 304],
  ])('%s gives its connection back', async (_, method, status) => {
    subject.peer.answer(reply(status))
    for (let turn = 0; turn < 10; turn++) await (await subject.fetch(subject.url(), { method })).text()
    // A call may begin a moment before the connection of the former one is free.
    expect(Math.max(...subject.peer.seen.map(({ connection }) => connection))).toBeLessThanOrEqual(2)
  })

  it('that nobody holds any more is given up', async () => {
    subject.peer.answer(endless().script)
    await (async () => void (await subject.fetch(subject.url())))()
    let over = false
    void (await subject.peer.request(1)).closed.then(() => {
      over = true
    })
    while (!over) {
      collectGarbage()
      await sleep(5)
    }
  })

  it.each<[string, boolean, (response: Response, heard: (chunk: Uint8Array) => void) => unknown]>([
    ['a loop over it', false, async ({ body }, heard) => iterate(body, heard)],
    ['its reader', false, async ({ body }, heard) => read((body as Body).getReader(), heard)],
    ['a reader with a buffer of its own', false, async ({ body }, heard) => readInto((body as Body).getReader({ mode: 'byob' }), heard)],
    ['a pipe', false, ({ body }, heard) => (body as Body).pipeTo(new WritableStream({ write: heard }))],
    ['one of its halves', false, async ({ body }, heard) => iterate((body as Body).tee()[0], heard)],
    ['a clone', false, async (response, heard) => iterate(response.clone().body, heard)],
    ['a stream of Node', false, ({ body }, heard) => void Readable.fromWeb(body as NodeStream).on('data', heard)],
    ['a reader of all', false, async (response, heard) => heard(Buffer.from(await response.text()))],
    ['a loop over it, decoded', true, async ({ body }, heard) => iterate(body, heard)],
    ['its reader, decoded', true, async ({ body }, heard) => read((body as Body).getReader(), heard)],
  ])('is read to its end by %s that nobody else holds', async (_, compressed, reads) => {
    const pieces = Array.from({ length: 6 }, () => randomBytes(3_000).toString('hex'))
    subject.peer.answer(async ({ write }) => {
      write(`HTTP/1.1 200 OK\r\n${compressed ? 'content-encoding: gzip\r\n' : ''}${CHUNKED}\r\n\r\n`)
      const bytes = compressed ? gzipSync(pieces.join('')) : Buffer.from(pieces.join(''))
      const size = Math.ceil(bytes.length / pieces.length)
      for (let at = 0; at < bytes.length; at += size) {
        for (let turn = 0; turn < 3; turn++) {
          collectGarbage()
          await sleep(3)
        }
        write(chunked([bytes.subarray(at, at + size)]).subarray(0, -5))
      }
      write('0\r\n\r\n')
    })
    let text = ''
    await (async () =>
      void reads(await subject.fetch(subject.url()), (chunk) => {
        text += Buffer.from(chunk).toString()
      }))()
    await expect.poll(() => text.length).toBe(pieces.join('').length)
    expect(text).toBe(pieces.join(''))
  })
})

conformance('a body that nobody holds but its reader', (subject) => {
  it.each([
    ['a loop over it', ({ body }: Response) => iterate(body, () => {})],
    ['a reader of all', (response: Response) => response.text()],
  ])('breaks for %s when its signal aborts', async (_, reads) => {
    subject.peer.answer(({ write }) => void write(Buffer.concat([Buffer.from(HEAD), PIECE])))
    const aborter = new AbortController()
    let broken: unknown
    await (async () =>
      void reads(await subject.fetch(subject.url(), { signal: aborter.signal })).catch((error: unknown) => {
        broken = error
      }))()
    for (let turn = 0; turn < 5; turn++) {
      collectGarbage()
      await sleep(5)
    }
    const reason = new Error('enough')
    aborter.abort(reason)
    await expect.poll(() => broken).toBe(reason)
  })
})

async function iterate(body: Body | null, heard: (chunk: Uint8Array) => void): Promise<void> {
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) heard(chunk)
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, heard: (chunk: Uint8Array) => void): Promise<void> {
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) heard(value as Uint8Array)
}

async function readInto(reader: ReadableStreamBYOBReader, heard: (chunk: Uint8Array) => void): Promise<void> {
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(4_096))
    if (done) return
    heard(value)
  }
}

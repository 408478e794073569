import { describe, expect, it } from 'vitest'
import { CHUNKED, chunked, reply } from './peer.ts'
import { conformance, failure, type Subject } from './subjects.ts'

const head = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')

/** `body` in each way in which a server may frame it. */
const FRAMES: [string, (body: string) => Buffer | string, closes: boolean][] = [
  ['content-length', (body) => reply(200, [], body), false],
  ['one chunk', (body) => Buffer.concat([Buffer.from(head(CHUNKED)), chunked(body === '' ? [] : [body])]), false],
  [
    'chunks of a byte',
    (body) => Buffer.concat([Buffer.from(head(CHUNKED)), chunked([...Buffer.from(body)].map((byte) => Buffer.from([byte])))]),
    false,
  ],
  [
    'chunks and trailers',
    (body) => Buffer.concat([Buffer.from(head(CHUNKED, 'trailer: x-sum')), chunked(body === '' ? [] : [body], ['x-sum: 1', 'x-more: 2'])]),
    false,
  ],
  ['the end of the connection', (body) => `${head('connection: close')}${body}`, true],
]

type Reader = 'text' | 'json' | 'arrayBuffer' | 'blob' | 'formData'

async function answered(subject: Subject, body: string | Uint8Array, ...lines: string[]): Promise<Response> {
  subject.peer.answer(reply(200, lines, body))
  return subject.fetch(subject.url())
}

conformance('a body', (subject) => {
  describe.each(FRAMES)('framed by %s', (_, frame, closes) => {
    it.each(['', 'x', 'hello ü€😀', 'long '.repeat(400)])('arrives whole (%#)', async (body) => {
      subject.peer.answer(closes ? ({ socket }) => socket.end(frame(body)) : frame(body))
      const response = await subject.fetch(subject.url())
      expect(response.body).toBeInstanceOf(ReadableStream)
      expect(response.headers.get('x-sum')).toBe(null)
      expect(await response.text()).toBe(body)
    })
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 205],
    ['GET', 304],
    ['POST', 204],
    ['HEAD', 404],
  ])('%s with %d has none', async (method, status) => {
    subject.peer.answer(reply(status, method === 'HEAD' ? ['content-length: 99', 'content-type: text/x'] : ['content-type: text/x']))
    const response = await subject.fetch(subject.url(), { method })
    expect([response.status, response.body, response.bodyUsed]).toEqual([status, null, false])
    expect([await response.text(), response.bodyUsed]).toEqual(['', false])
    expect((await response.arrayBuffer()).byteLength).toBe(0)
    expect(await response.blob()).toMatchObject({ size: 0, type: 'text/x' })
    expect(await failure(response.json())).toBeInstanceOf(SyntaxError)
    expect(await response.clone().text()).toBe('')
    if (method === 'HEAD') expect(response.headers.get('content-length')).toBe('99')
  })

  it('whose end comes with its head', async () => {
    const response = await answered(subject, '')
    expect(response.body).toBeInstanceOf(ReadableStream)
    expect([await response.text(), response.bodyUsed]).toEqual(['', true])
  })

  it('of 4 MiB arrives whole', async () => {
    const bytes = Buffer.alloc(4 * 1024 * 1024)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at)
    const read = await (await answered(subject, bytes)).arrayBuffer()
    expect(bytes.equals(Buffer.from(read))).toBe(true)
  })
})

conformance('a body read whole', (subject) => {
  it('as text: UTF-8, whatever the header says', async () => {
    expect(await (await answered(subject, 'ü€😀', 'content-type: text/plain; charset=latin1')).text()).toBe('ü€😀')
  })

  it.each([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], 'a'],
    ['a byte that starts nothing', [0x61, 0xff, 0x62], 'a\ufffdb'],
    ['a character cut off', [0x61, 0xe2, 0x82], 'a\ufffd'],
    ['an overlong form', [0xc0, 0xaf], '\ufffd\ufffd'],
    ['half a surrogate pair', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    ['UTF-16', [0xff, 0xfe, 0x61, 0x00], '\ufffd\ufffda\0'],
    ['a null byte', [0x61, 0x00, 0x62], 'a\0b'],
  ])('as text with %s', async (_, bytes, text) => expect(await (await answered(subject, Buffer.from(bytes))).text()).toBe(text))

  it('as text: characters split over chunks', async () => {
    const text = 'ü€😀'.repeat(10)
    const pieces = [...Buffer.from(text)].map((byte) => chunked([Buffer.from([byte])]).subarray(0, -5))
    subject.peer.answer(async ({ write }) => {
      write(head(CHUNKED))
      for (const piece of pieces) {
        write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      write('0\r\n\r\n')
    })
    expect(await (await subject.fetch(subject.url())).text()).toBe(text)
  })

  it.each(['{"a":[1,null,"ü"]}', '1', 'null', '"text"', ' [ ] ', '\ufeff{}', '{"__proto__":1}'])('as JSON: %j', async (body) => {
    const value: unknown = await (await answered(subject, body)).json()
    expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(body.replace('\ufeff', ''))))
  })

  it.each(['', '{', '{"a":1}}', 'undefined', "{'a':1}", '[1,]', '<html>', 'ok\0'])('as bad JSON: %j', async (body) => {
    const response = await answered(subject, body)
    const error = await failure(response.json())
    expect(error).toBeInstanceOf(SyntaxError)
    expect(() => JSON.parse(body)).toThrow(error.message)
    expect(response.bodyUsed).toBe(true)
  })

  it('as an ArrayBuffer of its own', async () => {
    const buffer = await (await answered(subject, 'text')).arrayBuffer()
    expect(buffer).toBeInstanceOf(ArrayBuffer)
    expect([buffer.byteLength, Buffer.from(buffer).toString()]).toEqual([4, 'text'])
  })

  it('as bytes where the platform can', async () => {
    const response = (await answered(subject, 'text')) as Response & { bytes?: () => Promise<Uint8Array> }
    expect(typeof response.bytes).toBe(typeof (Response.prototype as { bytes?: unknown }).bytes)
    if (response.bytes === undefined) return
    const bytes = await response.bytes()
    expect([bytes.constructor, Buffer.from(bytes).toString()]).toEqual([Uint8Array, 'text'])
  })

  it.each([
    [['content-type: text/html'], 'text/html'],
    [['content-type: Text/HTML; Charset=UTF-8'], 'text/html;charset=utf-8'],
    [['content-type: text/x;a="b c"'], 'text/x;a="b c"'],
    [[], ''],
    [['content-type: nonsense'], ''],
    [['content-type: text/a', 'content-type: text/b'], 'text/b'],
  ])('as a Blob: %j is %j', async (lines, type) => {
    const response = await answered(subject, 'text', ...lines)
    const blob = await response.blob()
    expect(blob).toBeInstanceOf(Blob)
    const own = await new Response('text', { headers: lines.map((line) => line.split(': ') as [string, string]) }).blob()
    // Platforms before 22 do not parse the type.
    expect([blob.size, await blob.text()]).toEqual([4, 'text'])
    expect([type, own.type]).toContain(blob.type)
  })

  it('as a multipart form', async () => {
    const form = new FormData()
    form.append('a', '1')
    form.append('a', 'ü')
    form.append('file', new File([new Uint8Array([0, 255])], 'f.bin', { type: 'application/x-f' }))
    const source = new Response(form)
    const response = await answered(
      subject,
      new Uint8Array(await source.arrayBuffer()),
      `content-type: ${source.headers.get('content-type')}`,
    )
    const read = await response.formData()
    expect(read).toBeInstanceOf(FormData)
    expect([...read.keys()]).toEqual(['a', 'a', 'file'])
    expect(read.getAll('a')).toEqual(['1', 'ü'])
    const file = read.get('file') as File
    expect([file.name, file.type, [...new Uint8Array(await file.arrayBuffer())]]).toEqual(['f.bin', 'application/x-f', [0, 255]])
  })

  it('as a URL-encoded form', async () => {
    const response = await answered(subject, 'a=1+2&b=%C3%BC&a=3&c', 'content-type: application/x-www-form-urlencoded;charset=UTF-8')
    expect([...(await response.formData())]).toEqual([
      ['a', '1 2'],
      ['b', 'ü'],
      ['a', '3'],
      ['c', ''],
    ])
  })

  it.each([
    ['text/plain', 'a=1'],
    ['multipart/form-data', '--x--'],
    ['multipart/form-data; boundary=x', 'no form'],
    ['nonsense', ''],
  ])('as a form when it is none: %s', async (type, body) => {
    const response = await answered(subject, body, `content-type: ${type}`)
    expect(await failure(response.formData())).toBeInstanceOf(TypeError)
  })

  it('as a form without content-type', async () => {
    expect(await failure((await answered(subject, 'a=1')).formData())).toBeInstanceOf(TypeError)
  })

  const READERS: Reader[] = ['text', 'json', 'arrayBuffer', 'blob', 'formData']
  const FORM = 'content-type: application/x-www-form-urlencoded'

  describe.each(READERS)('%s', (first) => {
    it('marks it as used at once, and locks it', async () => {
      const response = await answered(subject, '1', FORM)
      expect([response.bodyUsed, response.body?.locked]).toEqual([false, false])
      const reading = response[first]()
      expect([response.bodyUsed, response.body?.locked]).toEqual([true, true])
      await reading
      expect(response.bodyUsed).toBe(true)
    })

    it.each(READERS)('then %s is refused', async (second) => {
      const response = await answered(subject, '1', FORM)
      await response[first]()
      const own = new Response('1', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })
      await own[first]()
      const error = await failure(response[second]())
      expect([error.constructor, error.message]).toEqual([TypeError, (await failure(own[second]())).message])
    })

    it('is refused while somebody reads', async () => {
      const response = await answered(subject, '1', FORM)
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      expect([response.bodyUsed, response.body?.locked]).toEqual([false, true])
      expect(await failure(response[first]())).toBeInstanceOf(TypeError)
      reader.releaseLock()
      expect(await response[first]()).toBeDefined()
    })
  })

  it('twice at once is refused the second time', async () => {
    const response = await answered(subject, 'text')
    const both = await Promise.allSettled([response.text(), response.text()])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })
})

import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CHUNKED, chunked, reply } from './peer.ts'
import { conformance, failure, type Subject } from './subjects.ts'

type Code = (bytes: Uint8Array) => Buffer
const { zstdCompressSync } = zlib as unknown as { zstdCompressSync?: Code }

const TEXT = JSON.stringify({ text: 'compressible '.repeat(500), unicode: 'ü€😀' })

const gzip: Code = (bytes) => zlib.gzipSync(bytes)
const deflate: Code = (bytes) => zlib.deflateSync(bytes)
const raw: Code = (bytes) => zlib.deflateRawSync(bytes)
// The best quality, which is what it would take by itself, costs ten times as much.
const br: Code = (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })

/** Applied from left to right, as a server does. */
const CODINGS: [header: string, ...codes: Code[]][] = [
  ['gzip', gzip],
  ['x-gzip', gzip],
  ['GZip', gzip],
  [' gzip ', gzip],
  ['deflate', deflate],
  ['deflate', raw],
  ['br', br],
  ['gzip, br', gzip, br],
  ['br,gzip', br, gzip],
  ['deflate, gzip', raw, gzip],
  ['gzip, gzip', gzip, gzip],
  ['gzip, deflate, br', gzip, deflate, br],
]

const encode = (codes: Code[], text: string): Buffer => codes.reduce<Buffer>((bytes, code) => code(bytes), Buffer.from(text))

const byteByByte = (bytes: Buffer): Buffer => chunked([...bytes].map((byte) => Buffer.from([byte])))

async function answered(subject: Subject, coding: string, bytes: string | Uint8Array, init = {}): Promise<Response> {
  subject.peer.answer(reply(200, [`content-encoding: ${coding}`, 'content-type: application/json'], bytes))
  return subject.fetch(subject.url(), init)
}

conformance('a compressed body', (subject) => {
  describe.each(CODINGS)('%j', (coding, ...codes) => {
    const bytes = encode(codes, TEXT)

    it('is read as text', async () => expect(await (await answered(subject, coding, bytes)).text()).toBe(TEXT))

    it('is read as JSON, from a clone', async () => {
      const response = await answered(subject, coding, bytes)
      expect(await response.clone().json()).toEqual(JSON.parse(TEXT))
      expect(await response.json()).toEqual(JSON.parse(TEXT))
    })

    it('comes in chunks of a byte', async () => {
      subject.peer.answer(Buffer.concat([reply(200, [CHUNKED, `content-encoding: ${coding}`]), byteByByte(bytes)]))
      expect(await (await subject.fetch(subject.url())).text()).toBe(TEXT)
    })

    it('may be large', async () => {
      const large = 'x'.repeat(1_000_000)
      const read = await (await answered(subject, coding, encode(codes, large))).arrayBuffer()
      expect(Buffer.from(read).equals(Buffer.from(large))).toBe(true)
    })

    it('leaves the connection usable', async () => {
      for (let turn = 0; turn < 5; turn++) await (await answered(subject, coding, bytes)).text()
      expect(Math.max(...subject.peer.seen.map(({ connection }) => connection))).toBeLessThanOrEqual(2)
    })
  })

  it('keeps its headers', async () => {
    const bytes = gzip(Buffer.from(TEXT))
    const { headers } = await answered(subject, 'gzip', bytes)
    expect([headers.get('content-encoding'), headers.get('content-length')]).toEqual(['gzip', String(bytes.length)])
  })

  it('is zstd where the platform knows it', async () => {
    if (zstdCompressSync === undefined) return
    const bytes = zstdCompressSync(Buffer.from(TEXT))
    subject.peer.answer(reply(200, ['content-encoding: zstd'], bytes))
    const platform = await (await globalThis.fetch(`http://${subject.peer.address}/`)).text()
    expect(await (await answered(subject, 'zstd', bytes)).text()).toBe(platform)
  })

  it.each(['identity', 'unknown', 'compress', 'aes128gcm', ''])('that nobody knows how to read comes as it is: %j', async (coding) => {
    expect(await (await answered(subject, coding, 'as it is')).text()).toBe('as it is')
  })

  it.each(['gzip, unknown', 'unknown, gzip'])('in a coding that is half known comes as it is: %j', async (coding) => {
    const bytes = gzip(Buffer.from(TEXT))
    expect(Buffer.from(await (await answered(subject, coding, bytes)).arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('in more codings than a server needs is refused or comes as it is', async () => {
    const codes = Array.from({ length: 10 }, () => gzip)
    const bytes = encode(codes, TEXT)
    const coding = codes.map(() => 'gzip').join(', ')
    subject.peer.answer(reply(200, [`content-encoding: ${coding}`], bytes))
    const lengthOf = (call: Promise<Response>): Promise<number> =>
      call
        .then((response) => response.arrayBuffer())
        .then(
          (read) => read.byteLength,
          () => -1,
        )
    const platform = await lengthOf(globalThis.fetch(`http://${subject.peer.address}/`))
    expect(await lengthOf(subject.fetch(subject.url()))).toBe(platform)
  })

  it.each(['gzip', 'deflate', 'br', 'gzip, br'])('that is empty is empty: %s', async (coding) => {
    expect(await (await answered(subject, coding, '')).text()).toBe('')
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('that is not there (%s, %d) is none', async (method, status) => {
    subject.peer.answer(reply(status, ['content-encoding: gzip']))
    const response = await subject.fetch(subject.url(), { method })
    expect([response.status, response.body, await response.text()]).toEqual([status, null, ''])
    expect(response.headers.get('content-encoding')).toBe('gzip')
  })

  it('of an error is read as well', async () => {
    subject.peer.answer(reply(500, ['content-encoding: gzip'], gzip(Buffer.from('sorry'))))
    expect(await (await subject.fetch(subject.url())).text()).toBe('sorry')
  })

  it('in several members of gzip is one', async () => {
    const bytes = Buffer.concat([gzip(Buffer.from('one ')), gzip(Buffer.from('two'))])
    expect(await (await answered(subject, 'gzip', bytes)).text()).toBe('one two')
  })

  it.each(['gzip', 'br', 'gzip, br'])('that is not what it says fails: %s', async (coding) => {
    const response = await answered(subject, coding, 'this is no archive at all')
    expect(response.status).toBe(200)
    expect(await failure(response.text())).toBeInstanceOf(TypeError)
  })

  it('that breaks in the middle fails', async () => {
    const bytes = gzip(Buffer.from(TEXT))
    bytes.fill(0xff, 30, 60)
    const error = await failure((await answered(subject, 'gzip', bytes)).text())
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'terminated', true])
  })

  it('with a wrong checksum fails', async () => {
    const bytes = gzip(Buffer.from(TEXT))
    bytes.fill(0, bytes.length - 8, bytes.length - 4)
    expect(await failure((await answered(subject, 'gzip', bytes)).text())).toBeInstanceOf(TypeError)
  })

  it('is given while it is sent', async () => {
    const packer = zlib.createGzip({ flush: zlib.constants.Z_SYNC_FLUSH })
    subject.peer.answer(({ write }) => {
      write(reply(200, [CHUNKED, 'content-encoding: gzip']))
      packer.on('data', (piece: Buffer) => write(chunked([piece]).subarray(0, -5)))
      packer.on('end', () => write('0\r\n\r\n'))
      packer.write('first')
    })
    const reader = ((await subject.fetch(subject.url())).body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('first')
    packer.end('last')
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('last')
    expect((await reader.read()).done).toBe(true)
  })

  it('may be given up', async () => {
    subject.peer.answer(({ write }) =>
      write(Buffer.concat([reply(200, [CHUNKED, 'content-encoding: gzip']), chunked([gzip(Buffer.from(TEXT))]).subarray(0, -5)])),
    )
    const { body } = await subject.fetch(subject.url())
    const reader = (body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await reader.cancel()
    await (await subject.peer.request(1)).closed
  })

  it('is not unpacked when the caller asked for none and the server sent none', async () => {
    const { headers } = await subject.sent({ headers: { 'accept-encoding': 'identity' } })
    expect(headers['accept-encoding']).toBe('identity')
  })

  it('is unpacked, whatever the caller asked for', async () => {
    const response = await answered(subject, 'gzip', gzip(Buffer.from(TEXT)), { headers: { 'accept-encoding': 'identity' } })
    expect(await response.text()).toBe(TEXT)
  })
})

/** A body to upload, and what a server must see of it. */
export interface BodyKind {
  name: string
  /** A new one each time: some can be read only once. */
  make(): unknown
  /** The content-type that fetch sets. */
  type: string | RegExp | undefined
  /** `undefined` where nobody can know it. */
  length: number | undefined
  /** The body in latin1; a pattern where there is a boundary in it. */
  bytes: string | RegExp
  /** Whether fetch can send it again after a redirect: some platforms forget bytes. */
  again: 'always' | 'bytes' | 'never'
}

const TEXT = 'text/plain;charset=UTF-8'
const FORM = 'application/x-www-form-urlencoded;charset=UTF-8'
const MULTIPART = /^multipart\/form-data; ?boundary=\S+$/

const bytesOf = (...codes: number[]): Uint8Array => new Uint8Array(codes)

function form(): FormData {
  const data = new FormData()
  data.append('a', '1')
  data.append('b "q"\r\n', 'two\nlines')
  data.append('file', new File(['content'], 'näme "x".txt', { type: 'text/x-file' }))
  return data
}

/** Of every kind that fetch takes. */
export const BODIES: BodyKind[] = [
  { name: 'a string', make: () => 'text', type: TEXT, length: 4, bytes: 'text', again: 'always' },
  { name: 'an empty string', make: () => '', type: TEXT, length: 0, bytes: '', again: 'always' },
  { name: 'a string beyond ASCII', make: () => 'ü€😀', type: TEXT, length: 9, bytes: latin1('ü€😀'), again: 'always' },
  { name: 'half a surrogate pair', make: () => 'a\ud83d', type: TEXT, length: 4, bytes: latin1('a\ufffd'), again: 'always' },
  { name: 'a number', make: () => 42, type: TEXT, length: 2, bytes: '42', again: 'always' },
  { name: 'an object', make: () => ({ a: 1 }), type: TEXT, length: 15, bytes: '[object Object]', again: 'always' },
  { name: 'an array', make: () => [1, 2], type: TEXT, length: 3, bytes: '1,2', again: 'always' },
  { name: 'a Buffer', make: () => Buffer.from('buffer'), type: undefined, length: 6, bytes: 'buffer', again: 'bytes' },
  {
    name: 'a part of a Buffer',
    make: () => Buffer.from('a buffer').subarray(2, 6),
    type: undefined,
    length: 4,
    bytes: 'buff',
    again: 'bytes',
  },
  { name: 'a Uint8Array', make: () => bytesOf(0, 255, 128), type: undefined, length: 3, bytes: '\x00\xff\x80', again: 'bytes' },
  { name: 'an empty Uint8Array', make: () => bytesOf(), type: undefined, length: 0, bytes: '', again: 'always' },
  { name: 'a Uint16Array', make: () => new Uint16Array([0x4241]), type: undefined, length: 2, bytes: 'AB', again: 'bytes' },
  {
    name: 'a DataView',
    make: () => new DataView(bytesOf(65, 66, 67).buffer, 1, 1),
    type: undefined,
    length: 1,
    bytes: 'B',
    again: 'bytes',
  },
  { name: 'an ArrayBuffer', make: () => bytesOf(65, 66).buffer, type: undefined, length: 2, bytes: 'AB', again: 'bytes' },
  { name: 'a Blob', make: () => new Blob(['bl', 'ob']), type: undefined, length: 4, bytes: 'blob', again: 'always' },
  { name: 'a typed Blob', make: () => new Blob(['b'], { type: 'Text/X' }), type: 'text/x', length: 1, bytes: 'b', again: 'always' },
  { name: 'an empty Blob', make: () => new Blob([]), type: undefined, length: 0, bytes: '', again: 'always' },
  { name: 'a File', make: () => new File(['f'], 'f.txt', { type: 'text/f' }), type: 'text/f', length: 1, bytes: 'f', again: 'always' },
  {
    name: 'URLSearchParams',
    make: () => new URLSearchParams({ a: '1 2', b: 'ü&=' }),
    type: FORM,
    length: 20,
    bytes: 'a=1+2&b=%C3%BC%26%3D',
    again: 'always',
  },
  {
    name: 'a FormData',
    make: form,
    type: MULTIPART,
    length: undefined,
    // Line breaks in names and values become CRLF, and quotes and breaks of a name are percent-encoded.
    bytes: new RegExp(
      [
        '^--(\\S+)\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
        '--\\1\r\nContent-Disposition: form-data; name="b %22q%22%0D%0A"\r\n\r\ntwo\r\nlines',
        `--\\1\r\nContent-Disposition: form-data; name="file"; filename="${latin1('näme %22x%22.txt')}"\r\nContent-Type: text/x-file\r\n\r\ncontent`,
        '--\\1--(\r\n)?$',
      ].join('\r\n'),
    ),
    again: 'always',
  },
  {
    name: 'an empty FormData',
    make: () => new FormData(),
    type: MULTIPART,
    length: undefined,
    bytes: /^--\S+--(\r\n)?$/,
    again: 'always',
  },
  { name: 'a ReadableStream', make: () => streamOf('st', 'ream'), type: undefined, length: undefined, bytes: 'stream', again: 'never' },
  { name: 'an empty ReadableStream', make: () => streamOf(), type: undefined, length: undefined, bytes: '', again: 'never' },
  { name: 'an async iterable', make: () => asyncOf('as', 'ync'), type: undefined, length: undefined, bytes: 'async', again: 'never' },
]

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** A stream that gives these pieces, one at each pull. */
export function streamOf(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const rest = [...pieces]
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = rest.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(Buffer.from(piece as string))
    },
  })
}

export async function* asyncOf(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

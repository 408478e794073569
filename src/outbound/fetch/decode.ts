import { builtinModule } from '../../core/builtin-module.ts'

type OneShot = (bytes: Buffer) => Promise<Buffer>

/** One way of compressing a body: all at once, and piece by piece. */
interface Coding {
  readonly decode: OneShot
  readonly stream: (first: Buffer) => NodeJS.ReadWriteStream
}

/** Newer than the oldest Node that inmesh runs on. */
interface Zstd {
  zstdDecompress?: (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => void
  createZstdDecompress?: () => NodeJS.ReadWriteStream
}

/** Loaded with the first answer that is compressed. */
const zlib = () => builtinModule('node:zlib')
const promisify = <T>(method: (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => T) =>
  builtinModule('node:util').promisify(method)

const gzip: Coding = { decode: (bytes) => promisify(zlib().gunzip)(bytes), stream: () => zlib().createGunzip() }
const inflate: OneShot = (bytes) => promisify(zlib().inflate)(bytes)
const inflateRaw: OneShot = (bytes) => promisify(zlib().inflateRaw)(bytes)
const brotli: Coding = {
  decode: (bytes) => promisify(zlib().brotliDecompress)(bytes),
  stream: () => zlib().createBrotliDecompress(),
}
/** Some servers send the bare format, whose first byte never looks like zlib's. */
const deflate: Coding = {
  decode: (bytes) => (isZlib(bytes) ? inflate(bytes) : inflateRaw(bytes)),
  stream: (first) => (isZlib(first) ? zlib().createInflate() : zlib().createInflateRaw()),
}

function isZlib(bytes: Buffer): boolean {
  return ((bytes[0] ?? 0) & 0x0f) === 0x08
}

function zstd(): Coding | undefined {
  const { zstdDecompress, createZstdDecompress } = zlib() as Zstd
  return zstdDecompress === undefined || createZstdDecompress === undefined
    ? undefined
    : { decode: promisify(zstdDecompress), stream: createZstdDecompress }
}

/** Fetch's limit on codings of one answer. */
export const MAX_CODINGS = 5

/**
 * How to undo a `content-encoding`: what was applied last comes first. Empty when one of the names is not known; then the body is
 * given as it came, as fetch does.
 */
export function codingsOf(contentEncoding: string): readonly Coding[] {
  const codings: Coding[] = []
  for (const written of contentEncoding.split(',')) {
    const coding = codingOf(written.trim().toLowerCase())
    if (coding === undefined) return []
    codings.unshift(coding)
  }
  return codings
}

function codingOf(name: string): Coding | undefined {
  switch (name) {
    case 'gzip':
    case 'x-gzip':
      return gzip
    case 'deflate':
      return deflate
    case 'br':
      return brotli
    case 'zstd':
      return zstd()
    default:
      return undefined
  }
}

/** The whole of a compressed body. A body that ends too early is an error. */
export async function decodeAll(codings: readonly Coding[], bytes: Buffer): Promise<Buffer> {
  let decoded = bytes
  // An empty body was never compressed.
  for (const { decode } of codings) if (decoded.length > 0) decoded = await decode(decoded)
  return decoded
}

export type { Coding }

/** What was thrown at bytes that are no DER, or not what was expected there. */
export class DerError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DerError'
  }
}

/** One DER value: its tag, its contents, and itself whole. */
export interface DerValue {
  readonly tag: number
  readonly contents: Buffer
  readonly whole: Buffer
}

/** The tags that certificates and revocation lists are made of. */
export const TAG = Object.freeze({
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
})

/**
 * Reads DER values one after the other (X.690 §10). It is strict where BER is lax: lengths in their shortest form, nothing indefinite,
 * no tag of several bytes. Two readers that take the same bytes for different things are how identities are forged.
 */
export class DerReader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get done(): boolean {
    return this.at === this.bytes.length
  }

  /** The tag of the next value; undefined at the end. */
  get nextTag(): number | undefined {
    return this.bytes[this.at]
  }

  /** @throws DerError when the next value is not one of `tag` */
  read(tag: number): DerValue {
    if (this.nextTag !== tag) throw new DerError(`expected tag ${hex(tag)}, found ${this.done ? 'the end' : hex(this.nextTag as number)}`)
    return this.any()
  }

  optional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.any() : undefined
  }

  /** The values inside the next one, of `tag`. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).contents)
  }

  any(): DerValue {
    const { bytes } = this
    const start = this.at
    const tag = bytes[start]
    if (tag === undefined) throw new DerError('ends too early')
    if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of several bytes')
    const first = bytes[start + 1]
    if (first === undefined) throw new DerError('ends too early')
    let length = first
    let begin = start + 2
    if (first >= 0x80) {
      const count = first & 0x7f
      if (count === 0) throw new DerError('an indefinite length')
      if (count > 4) throw new DerError('a length of more than four bytes')
      if (begin + count > bytes.length) throw new DerError('ends too early')
      length = bytes.readUIntBE(begin, count)
      begin += count
      if (length < 0x80 || bytes[begin - count] === 0) throw new DerError('a length that is not in its shortest form')
    }
    const end = begin + length
    if (end > bytes.length) throw new DerError('ends too early')
    this.at = end
    return { tag, contents: bytes.subarray(begin, end), whole: bytes.subarray(start, end) }
  }

  /** @throws DerError unless everything was read */
  end(): void {
    if (!this.done) throw new DerError('something follows where the end should be')
  }
}

/** The one value that `bytes` are. */
export function derOf(bytes: Buffer, tag: number): DerReader {
  const outer = new DerReader(bytes)
  const inner = outer.enter(tag)
  outer.end()
  return inner
}

/** An object identifier in dotted form. */
export function oidText({ contents }: DerValue): string {
  const parts: number[] = []
  let value = 0
  for (const [index, byte] of contents.entries()) {
    if (value === 0 && byte === 0x80) throw new DerError('an object identifier that is not in its shortest form')
    value = value * 128 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an object identifier that is too long')
    if (byte < 0x80) {
      parts.push(value)
      value = 0
    } else if (index === contents.length - 1) throw new DerError('an object identifier that ends too early')
  }
  const [first] = parts
  if (first === undefined) throw new DerError('an empty object identifier')
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...parts.slice(1)].join('.')
}

/** Only 0 and 255 are booleans in DER. */
export function booleanOf({ contents }: DerValue): boolean {
  if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) throw new DerError('expected a boolean')
  return contents[0] === 0xff
}

/** A number that is not negative and small enough to count with. */
export function smallInteger({ contents }: DerValue): number {
  const [first = 0x80, second = 0] = contents
  if (first >= 0x80 || contents.length > 5 || (contents.length > 1 && first === 0 && second < 0x80))
    throw new DerError('expected a small number that is not negative')
  return contents.readUIntBE(0, contents.length)
}

/** The bits of a bit string from the first on. */
export function bitsOf({ contents }: DerValue): (bit: number) => boolean {
  const unused = contents[0]
  if (unused === undefined || unused > 7 || (unused > 0 && contents.length === 1)) throw new DerError('expected a bit string')
  return (bit) => ((contents[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows them: seconds present, in UTC. */
export function timeOf({ tag, contents }: DerValue): number {
  const text = contents.toString('latin1')
  const full = tag === TAG.utcTime ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? []
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if ((tag !== TAG.utcTime && tag !== TAG.generalizedTime) || Number.isNaN(ms)) throw new DerError('expected a time')
  return ms
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`
}

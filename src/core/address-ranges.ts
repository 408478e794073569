import { isIP } from './ip.ts'

/** An address or a range in CIDR form, as it was read. */
export interface Range {
  /** The address in words of 32 bits: one for IPv4, four for IPv6. */
  readonly words: readonly number[]
  readonly bits: number
}

/**
 * Addresses and CIDR ranges: who may be dialled, who is trusted, who is let in. IPv4 that is written as IPv6 (`::ffff:10.0.0.1`, RFC 4291
 * §2.5.5.2), as sockets with both families give it, is the IPv4 address that it is; so `::/0` is every IPv6 address and no IPv4 one, as in
 * Envoy. A zone (RFC 4007) is no part of an address.
 */
export class AddressRanges {
  private readonly v4: readonly Range[]
  private readonly v6: readonly Range[]
  /** Asked about last, and the answer: the requests of a connection all ask about the same one. */
  private asked: string | undefined = undefined
  private answer = false

  constructor(ranges: readonly Range[]) {
    this.v4 = ranges.filter(({ words }) => words.length === 1)
    this.v6 = ranges.filter(({ words }) => words.length === 4)
  }

  /** Whether `address` lies in one of them; what is no address lies in none. */
  includes(address: string): boolean {
    if (address !== this.asked) {
      this.answer = this.covers(address)
      this.asked = address
    }
    return this.answer
  }

  private covers(address: string): boolean {
    const words = wordsOf(address)
    if (words === undefined) return false
    const ranges = words.length === 1 ? this.v4 : this.v6
    for (let index = 0; index < ranges.length; index++) if (covers(ranges[index] as Range, words)) return true
    return false
  }
}

/** Those that `texts` name; what is no range is passed over, since whoever takes ranges from outside checks them. */
export function addressRanges(texts: readonly string[]): AddressRanges {
  return new AddressRanges(texts.map(parseRange).filter((range) => range !== undefined))
}

/** Reads an address or a range in CIDR form; undefined when it is neither. */
export function parseRange(text: string): Range | undefined {
  const [address = '', prefix, more] = text.split('/')
  const words = wordsOf(address)
  if (words === undefined || more !== undefined || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined
  const mapped = words.length === 1 && isIP(address) === 6
  // A prefix of the IPv6 spelling counts the 96 bits before it too.
  const bits = prefix === undefined ? words.length * 32 : Number(prefix) - (mapped ? 96 : 0)
  return bits >= 0 && bits <= words.length * 32 ? { words, bits } : undefined
}

function covers({ words, bits }: Range, address: readonly number[]): boolean {
  let left = bits
  for (let index = 0; left > 0; index++, left -= 32) {
    const mask = left >= 32 ? 0xffffffff : (0xffffffff << (32 - left)) >>> 0
    if ((((words[index] as number) ^ (address[index] as number)) & mask) !== 0) return false
  }
  return true
}

function wordsOf(address: string): number[] | undefined {
  const family = isIP(address)
  if (family === 4) return [wordOf(address)]
  if (family !== 6) return undefined
  // A zone (`fe80::1%eth0`) names an interface.
  const [bare = ''] = address.split('%')
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare)
  const word = dotted === null ? 0 : wordOf(dotted[2] as string)
  const plain = dotted === null ? bare : `${dotted[1]}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
  const [head = '', tail] = plain.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  const words = [0, 2, 4, 6].map((at) => (((all[at] as number) << 16) | (all[at + 1] as number)) >>> 0)
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? [words[3] as number] : words
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function wordOf(dotted: string): number {
  let word = 0
  for (const part of dotted.split('.')) word = word * 256 + Number(part)
  return word
}

import { isIPv6 } from './ip.ts'

/**
 * Whom an address stands for when addresses are counted: an IPv4 address itself, also where it is written as IPv6 (`::ffff:10.0.0.1`);
 * of an IPv6 address the first 64 bits, because whoever has one has the whole network and could count as a new client with each request.
 * However an address is spelt, it is in one group. What is no address is told apart by its text, or by how that begins.
 */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address
  // What dual-stack servers give for every IPv4 client.
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const quick = groupAsWritten(address)
  if (quick !== undefined) return quick
  const bare = address.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (!isIPv6(bare)) return address
  const groups = hextets(bare)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return dotted(groups[6] as number, groups[7] as number)
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The group of an address that is written as sockets give it; undefined where it has to be read: it may be an IPv4 address. */
function groupAsWritten(address: string): string | undefined {
  let groups = 0
  let start = 0
  if (address.charCodeAt(0) === ZERO) return undefined
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at)
    if ((code >= ZERO && code <= NINE) || (code >= A && code <= F)) continue
    const length = at - start
    if (code !== COLON || length === 0 || length > 4 || (length > 1 && address.charCodeAt(start) === ZERO)) return undefined
    groups++
    if (groups === 4) return `${address.slice(0, at)}::/64`
    start = at + 1
    // What is left away reaches beyond the fourth group, unless four more are written.
    if (address.charCodeAt(start) === COLON)
      return groupsIn(address, start + 1) <= 4 ? `${address.slice(0, at)}${':0'.repeat(4 - groups)}::/64` : undefined
  }
  return undefined
}

/** How many groups stand from `at` on. */
function groupsIn(address: string, from: number): number {
  if (from === address.length) return 0
  let groups = 1
  for (let at = from; at < address.length; at++) if (address.charCodeAt(at) === COLON || address.charCodeAt(at) === DOT) groups++
  return groups
}

const ZERO = 48
const NINE = 57
const A = 97
const F = 102
const COLON = 58
const DOT = 46

/** The eight groups of an IPv6 address. */
function hextets(address: string): number[] {
  const [before = '', after] = address.split('::')
  const head = read(before)
  if (after === undefined) return head
  const tail = read(after)
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function read(part: string): number[] {
  if (part === '') return []
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16)
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

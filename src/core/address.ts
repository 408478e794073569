import { type AddressRanges, addressRanges, parseRange } from './address-ranges.ts'
import { isIP, isIPv6 } from './ip.ts'

/** A `host:port` taken apart; `host` is lower case, IPv6 compressed and without brackets. */
export interface Address {
  readonly host: string
  readonly port: number
  /** As it is printed: IPv6 in brackets. */
  readonly text: string
}

const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** Takes `host:port` apart, or says in words what is wrong with it. */
export function parseAddress(written: string): Address | { readonly problem: string } {
  const bracketed = /^\[([^\]]*)\]:(\d+)$/.exec(written)
  const plain = bracketed ?? /^([^:[\]]*):(\d+)$/.exec(written)
  if (plain === null) return { problem: notAnAddress(written) }
  const port = Number(plain[2])
  if (port < 1 || port > 65_535) return { problem: `port ${plain[2]} is not between 1 and 65535` }
  const host = (plain[1] as string).toLowerCase().replace(/\.$/, '')
  if (bracketed !== null) {
    if (!isIPv6(host) || host.includes('%')) return { problem: `${host} is not an IPv6 address` }
    const canonical = new URL(`http://[${host}]/`).hostname
    return { host: canonical.slice(1, -1), port, text: `${canonical}:${port}` }
  }
  if (isIP(host) === 4) return { host, port, text: `${host}:${port}` }
  if (isNumericHost(host)) return { problem: `${host} ${NUMERIC}` }
  if (!NAME.test(host)) return { problem: `${JSON.stringify(host)} is neither an address nor a DNS name` }
  return { host, port, text: `${host}:${port}` }
}

function notAnAddress(written: string): string {
  if (/^[a-z]+:\/\//i.test(written)) return 'this is a URL, and an endpoint has no scheme and no path (TLS is the option tls)'
  if (/^[^:]*$/.test(written)) return 'the port is missing'
  return 'expected host:port, or [IPv6]:port'
}

const NUMERIC = 'is a number that some resolvers read as an address: write the address itself'

/** `2130706433`, `0x7f.1`, `127.1`: spellings of addresses that a name check lets through and a resolver dials. */
export function isNumericHost(host: string): boolean {
  if (isIP(host) !== 0) return false
  const last = host.slice(host.lastIndexOf('.') + 1)
  return /^(?:\d+|0x[0-9a-f]*)$/.test(last)
}

/** What an address is refused for; the first that holds. */
const REFUSED: readonly (readonly [reason: string, ranges: readonly string[]])[] = [
  ['the unspecified address', ['0.0.0.0/8', '::/128']],
  ['a link-local or cloud metadata address', ['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::254/128', '100.100.100.200/32']],
  ['a multicast address', ['224.0.0.0/4', 'ff00::/8']],
  ['a reserved or broadcast address', ['240.0.0.0/4']],
]

/**
 * Which addresses may be dialled. Link-local and metadata addresses, the unspecified address, multicast and broadcast are
 * refused unless allowed by name: configuration from outside must not turn a service into a way to them.
 */
export class AddressPolicy {
  private readonly allowed: AddressRanges
  private readonly refused: readonly (readonly [string, AddressRanges])[]

  /** @param allow addresses, or ranges such as `169.254.1.0/24`, that are dialled all the same; checked by {@link isAddressRange} */
  constructor(allow: readonly string[] = []) {
    this.allowed = addressRanges(allow)
    this.refused = REFUSED.map(([reason, ranges]) => [reason, addressRanges(ranges)])
  }

  /**
   * Why `host` may not be dialled, or undefined when it may. Names are judged by what they resolve to: whoever resolves asks
   * again with the address. IPv4 written as IPv6 (`::ffff:169.254.169.254`) is judged as the IPv4 address it is.
   */
  refusal(host: string): string | undefined {
    // However it is written: `[fe80::1]` and `169.254.169.254.` are dialled like their plain forms.
    const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
    if (isIP(bare) === 0) return refusedName(bare, host)
    if (this.allowed.includes(bare)) return undefined
    const found = this.refused.find(([, ranges]) => ranges.includes(bare))
    return found === undefined ? undefined : `${host} is ${found[0]}, which the address policy refuses (allowAddresses lifts it)`
  }
}

/** Names no resolver should be asked for; no `allowAddresses` lifts these, since a list of addresses cannot name them. */
function refusedName(bare: string, host: string): string | undefined {
  if (/^unix:|[/\\\0]/i.test(bare)) return 'a unix path is no address of the network, and the address policy refuses it'
  return isNumericHost(bare.toLowerCase()) ? `${host} ${NUMERIC}` : undefined
}

/** Whether `text` is an address or a range in CIDR form. */
export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined
}

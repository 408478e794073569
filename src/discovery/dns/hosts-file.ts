import { isIP } from '../../core/ip.ts'

/** Names to addresses, as the hosts file has them; names in lower case. */
export type Hosts = ReadonlyMap<string, readonly string[]>

/** Reads a hosts file (hosts(5)): an address, then its names; what cannot be read is passed over. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    // A zone (`fe80::1%lo0`) belongs to one machine's interface; the address policy refuses link-local anyway.
    if (isIP(address) === 0 || address.includes('%')) continue
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '')
      const known = hosts.get(key)
      if (known === undefined) hosts.set(key, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return hosts
}

/** RFC 6761 §6.3: `localhost` and what is below it is this machine, and no server is asked. */
export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

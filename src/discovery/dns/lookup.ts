import { builtinModule } from '../../core/builtin-module.ts'
import type { Clock } from '../../core/clock.ts'
import { isIP } from '../../core/ip.ts'
import type { ResolvedAddress } from '../../model/name-resolver.ts'
import { type AddressRecord, Channel, type Queries } from './channel.ts'
import { DnsError, dnsError } from './dns-error.ts'
import { isLocalhost, parseHosts } from './hosts-file.ts'
import { candidates, parseResolvConf, type ResolvConf } from './resolv-conf.ts'
import { rankPriorities, scaleWeights } from './srv.ts'
import { WatchedFile } from './watched-file.ts'

/** One of the questions behind a name (a family; a target of an SRV record), and what came of it. */
export interface Part {
  readonly key: string
  readonly result: readonly ResolvedAddress[] | DnsError
}

/** What a lookup found. At least one part has addresses. */
export interface Answer {
  readonly parts: readonly Part[]
  /** Shortest of the records; undefined when nothing said how long. */
  readonly ttlMs: number | undefined
}

/** Where names are looked up; every field is for tests or for a source that names its own servers. */
export interface LookupOptions {
  readonly clock: Clock
  readonly servers?: readonly string[] | undefined
  readonly hostsFile?: string | undefined
  readonly resolvConf?: string | undefined
  /** Asks instead of c-ares. */
  readonly queries?: Queries | undefined
}

/**
 * One lookup of a name, as the system would do it: hosts file, `localhost`, then DNS with the search list; both families.
 */
export class Lookup {
  private readonly options: LookupOptions
  private readonly hosts: WatchedFile<ReturnType<typeof parseHosts>>
  private readonly conf: WatchedFile<ResolvConf>
  private channel: Queries | undefined = undefined
  private channelOf: readonly [conf: ResolvConf, servers: string] | undefined = undefined
  /** What the process was born with: another list means that the program called `dns.setServers`. */
  private systemServers: string | undefined = undefined
  private closed = false

  constructor(options: LookupOptions) {
    const { clock, hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = options
    this.options = options
    this.hosts = new WatchedFile(hostsFile, parseHosts, clock)
    this.conf = new WatchedFile(resolvConf, parseResolvConf, clock)
  }

  /** Every address of `name`. Throws a {@link DnsError} when there is none. */
  async addresses(name: string): Promise<Answer> {
    const plain = name.toLowerCase().replace(/\.$/, '')
    const local = isIP(plain) === 0 ? (this.hosts.read().get(plain) ?? (isLocalhost(plain) ? LOOPBACK : undefined)) : [plain]
    if (local !== undefined) return { parts: [{ key: 'hosts', result: local.map((address) => plainAddress(address)) }], ttlMs: undefined }
    return this.firstOf(name, (candidate) => this.bothFamilies(candidate))
  }

  /** The targets of the SRV records of `name`, each with its addresses. Throws a {@link DnsError} when there is none. */
  async services(name: string): Promise<Answer> {
    return this.firstOf(name, async (candidate) => {
      const records = await this.queries().services(candidate)
      // RFC 2782: the target `.` means that the service is decidedly not there.
      const offered = records.filter((record) => record.name !== '' && record.name !== '.').slice(0, MAX_TARGETS)
      if (offered.length === 0) throw new DnsError(candidate, 'ENODATA', 'its SRV records say that the service is not offered')
      const rank = rankPriorities(offered)
      const weigh = scaleWeights(offered)
      const answers = await Promise.all(
        offered.map(async (record): Promise<Answer> => {
          const decorate = (found: readonly ResolvedAddress[]): ResolvedAddress[] =>
            found.map(({ address }) => ({ address, port: record.port, priority: rank(record.priority), weight: weigh(record.weight) }))
          const key = `${record.name}:${record.port}`
          try {
            const { parts, ttlMs } = await this.addresses(`${record.name}.`)
            return { parts: parts.map((part) => under(key, part, decorate)), ttlMs }
          } catch (thrown) {
            const result = dnsError(record.name, thrown)
            return { parts: FAMILIES.map((family) => ({ key: `${key}/${family}`, result })), ttlMs: undefined }
          }
        }),
      )
      const parts = answers.flatMap((answer) => answer.parts)
      return { parts: orThrow(parts), ttlMs: shortest(answers.map(({ ttlMs }) => ttlMs)) ?? SRV_TTL_MS }
    })
  }

  /** Ends the queries under way, and refuses further ones. */
  close(): void {
    this.closed = true
    this.channel?.close()
  }

  /**
   * The first candidate that has something. As in glibc a server that fails for one of them does not hide the next, and one that
   * does not answer at all ends the search.
   */
  private async firstOf(name: string, ask: (candidate: string) => Promise<Answer>): Promise<Answer> {
    let telling: DnsError | undefined
    for (const candidate of candidates(name, this.conf.read())) {
      try {
        return await ask(candidate)
      } catch (thrown) {
        const error = dnsError(candidate, thrown)
        if (telling === undefined || telling.absent) telling = error
        if (error.code === 'ETIMEOUT' || error.code === 'ECONNREFUSED') break
      }
    }
    throw telling as DnsError
  }

  /** A and AAAA at once. When one has come the other gets half a second more: some servers never answer for AAAA. */
  private async bothFamilies(name: string): Promise<Answer> {
    const queries = this.queries()
    const asked = FAMILIES.map((family) => settled(name, queries.addresses(name, family)))
    const found = new Map<number, readonly AddressRecord[] | DnsError>()
    await new Promise<void>((resolve) => {
      for (const [index, query] of asked.entries()) {
        void query.then((result) => {
          found.set(index, result)
          if (found.size === FAMILIES.length) resolve()
          else if (Array.isArray(result)) this.options.clock.setTimer(resolve, SECOND_FAMILY_MS).unref()
        })
      }
    })
    const results = FAMILIES.map((_, index) => found.get(index) ?? new DnsError(name, 'ETIMEOUT'))
    const parts = FAMILIES.map((family, index): Part => {
      const result = results[index] as readonly AddressRecord[] | DnsError
      return { key: String(family), result: result instanceof DnsError ? result : result.map(({ address }) => plainAddress(address)) }
    })
    const ttls = results.flatMap((result) => (result instanceof DnsError ? [] : result.map(({ ttl }) => ttl * 1_000)))
    return { parts: reachable(orThrow(parts)), ttlMs: shortest(ttls) }
  }

  /** The channel of the servers that are configured now. */
  private queries(): Queries {
    const { queries, servers } = this.options
    if (this.closed) throw new DnsError('DNS', 'ECANCELLED')
    if (queries !== undefined) return queries
    if (servers !== undefined) {
      this.channel ??= new Channel(servers, this.options.clock)
      return this.channel
    }
    const conf = this.conf.read()
    // Asked of the module as it is now: `dns.setServers` replaces its functions, and names that were imported stay behind.
    const present = builtinModule('node:dns').getServers().join()
    this.systemServers ??= new (builtinModule('node:dns').Resolver)().getServers().join()
    if (this.channel === undefined || conf !== this.channelOf?.[0] || present !== this.channelOf[1]) {
      // c-ares reads the servers of the system once, when a channel is made. What still asks the former ones ends by itself.
      this.channel = new Channel(present === this.systemServers ? undefined : present.split(','), this.options.clock)
      this.channelOf = [conf, present]
    }
    return this.channel
  }
}

function settled(name: string, query: Promise<readonly AddressRecord[]>): Promise<readonly AddressRecord[] | DnsError> {
  return query.catch((thrown: unknown) => dnsError(name, thrown))
}

function plainAddress(address: string): ResolvedAddress {
  return { address, port: undefined, priority: 0, weight: 1 }
}

function under(key: string, part: Part, decorate: (found: readonly ResolvedAddress[]) => ResolvedAddress[]): Part {
  return { key: `${key}/${part.key}`, result: part.result instanceof DnsError ? part.result : decorate(part.result) }
}

/** Nothing but failures is a failure: that of a server that could not say before that of one which said there is nothing. */
function orThrow(parts: readonly Part[]): readonly Part[] {
  const errors = parts.flatMap(({ result }) => (result instanceof DnsError ? [result] : []))
  if (errors.length < parts.length) return parts
  throw errors.find(({ absent }) => !absent) ?? errors[0]
}

/**
 * Without an IPv6 address of its own this machine reaches nobody by IPv6 (as `AI_ADDRCONFIG`): IPv4 alone is used where there is
 * both, or half of the picks would only find that out.
 */
function reachable(parts: readonly Part[]): readonly Part[] {
  const [v4, v6] = parts
  if (!Array.isArray(v4?.result) || !Array.isArray(v6?.result) || hasIPv6()) return parts
  const loopback = (v6.result as readonly ResolvedAddress[]).filter(({ address }) => address === '::1')
  return [v4, { key: v6.key, result: loopback }]
}

function hasIPv6(): boolean {
  return Object.values(builtinModule('node:os').networkInterfaces()).some((addresses) =>
    addresses?.some(({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:')),
  )
}

function shortest(ttls: readonly (number | undefined)[]): number | undefined {
  const known = ttls.filter((ttl) => ttl !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

const FAMILIES = [4, 6] as const
const LOOPBACK = ['127.0.0.1', '::1']
/** Node does not tell the TTL of SRV records; this is for targets that say nothing either. */
const SRV_TTL_MS = 30_000
const SECOND_FAMILY_MS = 500
/** An answer over TCP holds some thousands; more of them is no service but an attack. */
const MAX_TARGETS = 1_000

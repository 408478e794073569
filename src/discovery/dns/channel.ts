import type { promises as dns, SrvRecord } from 'node:dns'
import { builtinModule } from '../../core/builtin-module.ts'
import type { Clock } from '../../core/clock.ts'
import { DnsError, dnsError } from './dns-error.ts'

/** One address record. */
export interface AddressRecord {
  readonly address: string
  /** Seconds. */
  readonly ttl: number
}

/** Asks DNS servers; full names only. What it rejects with is a {@link DnsError}. */
export interface Queries {
  addresses(name: string, family: 4 | 6): Promise<readonly AddressRecord[]>
  services(name: string): Promise<readonly SrvRecord[]>
  /** Gives up what is under way. */
  close(): void
}

/**
 * Queries through c-ares: on the event loop, never in the thread pool, where `dns.lookup` works. Each try has two seconds (per
 * server), and there are two: c-ares' own second try would wait twice as long. Its timers are a second coarse, so ours end a try.
 */
export class Channel implements Queries {
  private readonly resolver: dns.Resolver
  private readonly clock: Clock

  /** @param servers `address` or `address:port`; none: those of the system */
  constructor(servers: readonly string[] | undefined, clock: Clock) {
    this.clock = clock
    this.resolver = new (builtinModule('node:dns').promises.Resolver)({ timeout: TRY_MS, tries: 1 })
    if (servers !== undefined) this.resolver.setServers(servers)
  }

  addresses(name: string, family: 4 | 6): Promise<readonly AddressRecord[]> {
    const { resolver } = this
    return this.ask(name, () => (family === 4 ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true })))
  }

  services(name: string): Promise<readonly SrvRecord[]> {
    return this.ask(name, () => this.resolver.resolveSrv(name))
  }

  close(): void {
    this.resolver.cancel()
  }

  /** What comes later than the try may take is not heard any more; c-ares lets go of it by itself. */
  private inTime<T>(name: string, query: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const boundMs = TRY_MS * Math.max(1, this.resolver.getServers().length) + SLACK_MS
      const timer = this.clock.setTimer(() => reject(new DnsError(name, 'ETIMEOUT')), boundMs)
      timer.unref()
      query()
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }

  private async ask<T>(name: string, query: () => Promise<readonly T[]>): Promise<readonly T[]> {
    for (let left = TRIES - 1; ; left--) {
      try {
        const records = await this.inTime(name, query)
        // c-ares answers a loop of CNAME records with nothing at all, and no error.
        if (records.length === 0) throw new DnsError(name, 'EEMPTY')
        return records
      } catch (thrown) {
        const error = dnsError(name, thrown)
        if (left === 0 || error.code !== 'ETIMEOUT') throw error
      }
    }
  }
}

const TRY_MS = 2_000
/** An answer that comes at the last moment is still read. */
const SLACK_MS = 50
const TRIES = 2

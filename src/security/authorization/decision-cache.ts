import { LRUCache } from 'lru-cache'
import type { InboundCall } from '../../model/inbound-call.ts'
import type { Verdict } from './policy.ts'

/** Peers whose decisions are kept, and paths of each. */
const PEERS = 256
const PATHS = 256
/** Longer paths are not kept, so that a stranger cannot fill the memory with them. */
const LONGEST_PATH = 256

/** A decision, and everything but peer and path that it was made for. */
interface Kept {
  readonly method: string
  readonly host: string
  readonly hostname: string
  readonly port: number
  readonly localAddress: string
  readonly verdict: Verdict
}

/**
 * Decisions by peer and path. Only those are kept that went by peer, method, host, path and the local end of the connection, so that
 * they are the same for the next such request; a push makes a new rule set with an empty cache.
 */
export class DecisionCache {
  private readonly peers = new LRUCache<string, LRUCache<string, Kept>>({ max: PEERS })

  get({ principal, method, host, hostname, port, localAddress }: InboundCall, path: string): Verdict | undefined {
    const kept = this.peers.get(principal === undefined ? '' : principal.id)?.get(path)
    if (kept === undefined || kept.method !== method || kept.host !== host || kept.hostname !== hostname) return undefined
    return kept.port === port && kept.localAddress === localAddress ? kept.verdict : undefined
  }

  keep({ principal, method, host, hostname, port, localAddress }: InboundCall, path: string, verdict: Verdict): void {
    if (path.length > LONGEST_PATH) return
    const peer = principal === undefined ? '' : principal.id
    let paths = this.peers.get(peer)
    if (paths === undefined) {
      paths = new LRUCache({ max: PATHS })
      this.peers.set(peer, paths)
    }
    paths.set(path, { method, host, hostname, port, localAddress, verdict })
  }
}

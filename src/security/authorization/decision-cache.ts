import type { InboundCall } from '../../model/inbound-call.ts'
import type { Verdict } from './policy.ts'

/** Decisions of one generation; two of them are kept. */
const MOST = 4_096
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

type Generation = Map<string, Map<string, Kept>>

/**
 * Decisions by peer and path. Only those are kept that went by peer, method, host, path and the local end of the connection, so that
 * they are the same for the next such request; a push makes a new rule set with an empty cache. What has not been asked for while
 * {@link MOST} others came is forgotten: two generations do that for less than a list in the order of use.
 */
export class DecisionCache {
  private young: Generation = new Map()
  private old: Generation = new Map()
  private count = 0

  get(call: InboundCall, path: string): Verdict | undefined {
    const peer = call.principal === undefined ? '' : call.principal.id
    let kept = this.young.get(peer)?.get(path)
    if (kept === undefined) {
      kept = this.old.get(peer)?.get(path)
      if (kept === undefined) return undefined
      this.put(peer, path, kept)
    }
    if (kept.method !== call.method || kept.host !== call.host || kept.hostname !== call.hostname) return undefined
    return kept.port === call.port && kept.localAddress === call.localAddress ? kept.verdict : undefined
  }

  keep({ principal, method, host, hostname, port, localAddress }: InboundCall, path: string, verdict: Verdict): void {
    if (path.length > LONGEST_PATH || host.length > LONGEST_PATH) return
    this.put(principal === undefined ? '' : principal.id, path, { method, host, hostname, port, localAddress, verdict })
  }

  private put(peer: string, path: string, kept: Kept): void {
    if (this.count >= MOST) {
      this.old = this.young
      this.young = new Map()
      this.count = 0
    }
    this.count++
    const paths = this.young.get(peer)
    if (paths === undefined) this.young.set(peer, new Map([[path, kept]]))
    else paths.set(path, kept)
  }
}

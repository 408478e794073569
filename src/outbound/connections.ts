import type { Socket } from 'node:net'
import type { AddressPolicy } from '../core/address.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { ConnectionLimit } from '../resilience/connection-limit.ts'
import { beginningWith } from './beginning-with.ts'
import { ClientPool } from './client-pool.ts'
import { CLOSED, type Connector, connectorTo, DialError, type GiveUp } from './connector.ts'
import { Http2Pool } from './http2/pool.ts'
import { limitedConnector } from './limited-connector.ts'
import type { MutualTls } from './mutual-tls.ts'
import type { Pool } from './pool.ts'
import { PoolEntry } from './pool-entry.ts'
import { SecureContexts } from './secure-contexts.ts'
import type { Undici } from './undici.ts'
import type { Wire } from './wire.ts'

/**
 * Connections per endpoint: made at the first try, capped, closed when nobody used them for a minute
 * (10,000 idle undici pools hold 185 MB).
 */
export class Connections {
  private readonly undici: Undici
  private readonly clock: Clock
  private readonly addressPolicy: AddressPolicy
  private readonly contexts: SecureContexts
  private readonly entries = new Map<Endpoint, PoolEntry>()
  private readonly closing = new Set<Pool>()
  private readonly upgraded = new Set<Socket>()
  private readonly dialling = new Set<GiveUp>()
  private sweeper: Timer | undefined = undefined
  private destroyed = false

  constructor(undici: Undici, clock: Clock, addressPolicy: AddressPolicy, mutual: MutualTls) {
    this.undici = undici
    this.clock = clock
    this.addressPolicy = addressPolicy
    this.contexts = new SecureContexts(mutual)
  }

  /** The pool that reaches `endpoint` over `wire`, whose sockets `limit` counts. */
  acquire(endpoint: Endpoint, wire: Wire, limit: ConnectionLimit, now: number): Pool {
    const first = this.entries.get(endpoint)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.wire === wire) return entry.take(now)
    }
    const entry = new PoolEntry(wire, limit, this.open(endpoint, wire, limit), now, first, this.retire)
    this.entries.set(endpoint, entry)
    this.sweeper ??= this.scheduleSweep()
    return entry.pool
  }

  /**
   * Lets every idle socket of `endpoint` go, because one of them turned out dead: calls under way finish,
   * the next ones connect anew.
   */
  dropIdle(endpoint: Endpoint, pool: Pool): void {
    const first = this.entries.get(endpoint)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      // One broken stream says nothing of the others.
      if (pool.protocol === 'h2') continue
      if (entry.isFormer(pool)) entry.endFormer()
      else if (entry.pool === pool && pool.stats.free > 0) this.drop(endpoint, entry)
    }
  }

  /** A call got no answer in time over `pool`: are its connections alive? */
  doubt(endpoint: Endpoint, pool: Pool): void {
    if (pool.protocol === 'h2') pool.probe?.()
    else this.dropIdle(endpoint, pool)
  }

  /** The endpoint left: its connections close when their calls are done. */
  release(endpoint: Endpoint): void {
    for (let entry = this.entries.get(endpoint); entry !== undefined; entry = entry.next) entry.pools.forEach(this.retire)
    this.entries.delete(endpoint)
  }

  /**
   * Our certificate changed, or whom we believe: what was connected before closes when its calls are done. It takes further ones only
   * while new connections are made in its place, and none at all when somebody is believed no more (`atOnce`).
   */
  renew(atOnce: boolean): void {
    const now = this.clock.now()
    for (const [endpoint, first] of this.entries) {
      for (let entry: PoolEntry | undefined = first; entry !== undefined; entry = entry.next) {
        const { wire, limit } = entry
        if (wire.tls?.settings?.mode !== 'mutual') continue
        if (atOnce || entry.isIdle(now, QUIET_MS)) this.drop(endpoint, entry)
        else entry.succeed(this.open(endpoint, wire, limit), now)
      }
    }
  }

  /** A socket that left HTTP behind belongs to its caller, until it is silent for too long or the mesh closes. */
  adopt(socket: Socket, idleTimeoutMs: number): void {
    this.upgraded.add(socket)
    socket.once('close', () => this.upgraded.delete(socket))
    socket.setTimeout(idleTimeoutMs, () => socket.destroy())
  }

  /** Open and idle sockets towards `endpoint`, and what they speak. */
  count(endpoint: Endpoint): SocketStats {
    let connections = 0
    let idleConnections = 0
    let protocol: SocketStats['protocol'] = 'none'
    for (let entry = this.entries.get(endpoint); entry !== undefined; entry = entry.next) {
      for (const pool of entry.pools) {
        const { connected, free } = pool.stats
        connections += connected
        idleConnections += free
        if (connected > 0 && protocol !== 'h2') protocol = pool.protocol ?? 'http/1.1'
      }
    }
    return { connections, idleConnections, protocol }
  }

  /** Destroys everything; calls under way fail. */
  async destroy(): Promise<void> {
    this.sweeper?.cancel()
    this.sweeper = undefined
    this.destroyed = true
    const pools = [...this.closing]
    for (const first of this.entries.values()) {
      for (let entry: PoolEntry | undefined = first; entry !== undefined; entry = entry.next) pools.push(...entry.pools)
    }
    this.entries.clear()
    for (const socket of this.upgraded) socket.destroy()
    const destroyed = pools.map((pool) => pool.destroy().catch(() => {}))
    // After the pools, which would begin anew with whoever waits.
    for (const giveUp of [...this.dialling]) giveUp(new DialError('the mesh was closed', CLOSED, false))
    await Promise.all(destroyed)
  }

  /** What dials `endpoint` over `wire`, and by TLS offers these protocols. */
  connector(endpoint: Endpoint, wire: Wire, protocols: readonly string[] = HTTP1_ONLY): Connector {
    return connectorTo({
      endpoint: endpoint.spec.port === 0 ? { ...endpoint.spec, port: wire.port } : endpoint.spec,
      tls: wire.tls,
      timeoutMs: wire.connectTimeoutMs,
      clock: this.clock,
      addressPolicy: this.addressPolicy,
      contexts: this.contexts,
      protocols,
      dialling: this.dialling,
    })
  }

  private open(endpoint: Endpoint, wire: Wire, limit: ConnectionLimit): Pool {
    const makeRoom = (): void => this.dropIdleOf(endpoint.service)
    const dials = (protocols: readonly string[]): Connector =>
      limitedConnector(this.connector(endpoint, wire, protocols), limit, makeRoom, this.isDestroyed)
    const maxConnections = Math.min(MAX_CONNECTIONS, limit.maxPerEndpoint)
    if (wire.protocol === 'http1') {
      if (!this.entries.has(endpoint)) limit.carries(endpoint, 1)
      return this.http1Pool(endpoint, wire, maxConnections, dials(HTTP1_ONLY))
    }
    const http1 = (socket: Socket): Pool =>
      this.http1Pool(endpoint, wire, maxConnections, beginningWith(socket, dials(HTTP1_ONLY), this.clock))
    return new Http2Pool({
      origin: new URL(wire.origin),
      address: endpoint.address,
      connect: dials(wire.protocol === 'auto' ? HTTP2_OR_1 : HTTP2_ONLY),
      prior: wire.tls === undefined,
      maxConnections,
      timeoutMs: wire.connectTimeoutMs,
      clock: this.clock,
      refuse: this.undici.error,
      http1: wire.protocol === 'auto' ? http1 : undefined,
      carries: (streams) => limit.carries(endpoint, Math.max(1, streams)),
    })
  }

  private http1Pool(endpoint: Endpoint, wire: Wire, maxConnections: number, connect: Connector): Pool {
    const { Client } = this.undici
    const options = {
      // Stated because undici 8 offers HTTP/2 by default.
      allowH2: false,
      pipelining: 1,
      // The exchange keeps the time: undici's own timers are a second coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect,
    }
    return new ClientPool(endpoint, maxConnections, () => new Client(wire.origin, options))
  }

  /** Lets the idle sockets of one pool of `service` go, so that another of its endpoints can have one. */
  private dropIdleOf(service: string): void {
    for (const [endpoint, first] of this.entries) {
      if (endpoint.service !== service) continue
      for (let entry: PoolEntry | undefined = first; entry !== undefined; entry = entry.next) {
        if (entry.pool.stats.free === 0) continue
        this.drop(endpoint, entry)
        return
      }
    }
  }

  private readonly isDestroyed = (): boolean => this.destroyed

  private readonly retire = (pool: Pool): void => {
    this.closing.add(pool)
    pool.close().then(
      () => this.closing.delete(pool),
      () => this.closing.delete(pool),
    )
  }

  private drop(endpoint: Endpoint, entry: PoolEntry): void {
    this.forget(endpoint, entry)
    entry.pools.forEach(this.retire)
  }

  private forget(endpoint: Endpoint, gone: PoolEntry): void {
    const first = this.entries.get(endpoint)
    if (first === gone) {
      if (gone.next === undefined) this.entries.delete(endpoint)
      else this.entries.set(endpoint, gone.next)
      return
    }
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.next === gone) entry.next = gone.next
    }
  }

  private scheduleSweep(afterMs = SWEEP_MS): Timer {
    const timer = this.clock.setTimer(() => {
      const complete = this.sweep(this.clock.now())
      this.sweeper = this.entries.size > 0 ? this.scheduleSweep(complete ? SWEEP_MS : NEXT_SWEEP_MS) : undefined
    }, afterMs)
    timer.unref()
    return timer
  }

  /** Gives up what nobody used; false when there is more of it than the loop should be held up for. */
  private sweep(now: number): boolean {
    let dropped = 0
    for (const [endpoint, first] of this.entries) {
      for (let entry: PoolEntry | undefined = first; entry !== undefined; entry = entry.next) {
        entry.sweep(now)
        entry.pool.sweep?.(now - IDLE_MS)
        if (!entry.isIdle(now, IDLE_MS)) continue
        this.drop(endpoint, entry)
        dropped++
      }
      if (dropped >= MOST_DROPPED) return false
    }
    return true
  }
}

/** The sockets of an endpoint in `mesh.stats()`. */
export interface SocketStats {
  connections: number
  idleConnections: number
  protocol: 'http/1.1' | 'h2' | 'none'
}

const HTTP1_ONLY = ['http/1.1']
const HTTP2_ONLY = ['h2']
const HTTP2_OR_1 = ['h2', 'http/1.1']
/** Sockets per endpoint and wire; Envoy's `max_connections` per cluster. */
const MAX_CONNECTIONS = 1_024
const IDLE_MS = 60_000
/** Who was not called for so long has no herd of callers. */
const QUIET_MS = 5_000
const SWEEP_MS = 10_000
/** Closing a pool takes some ten microseconds. */
const MOST_DROPPED = 200
const NEXT_SWEEP_MS = 20

import type { Endpoint } from '../core/endpoint.ts'
import type { Client, DispatchOptions } from './handler.ts'
import type { Pool, PooledRequest } from './pool.ts'

/**
 * The connections of one endpoint over one wire: undici clients, each with one request at a time. The one that was free last is used
 * first, so that the surplus of a busy moment is left alone and closes.
 *
 * undici's own pool does the same at 16 KiB for each endpoint, since every one of them begins with a queue for 2,048 requests; and it
 * opens a connection for a call that begins while the one before it ends, since it waits a turn of the loop before it believes in the end.
 */
export class ClientPool implements Pool {
  private readonly endpoint: Endpoint
  private readonly max: number
  private readonly open: () => Client
  private clients: readonly PooledClient[] = NONE
  /** The connection that was free last; the others below it. */
  private free: PooledClient | undefined = undefined
  /** What found every connection busy, and no room for one more. */
  private waiting: Waiting[] = []
  /** Connections whose answer has ended, and that undici has not put back yet. */
  private ripening = 0
  private served: (() => void) | undefined = undefined

  /** @param endpoint counts its connections */
  constructor(endpoint: Endpoint, max: number, open: () => Client) {
    this.endpoint = endpoint
    this.max = max
    this.open = open
  }

  send(options: DispatchOptions, request: PooledRequest): void {
    const client = this.takeFree() ?? (this.opensMore ? this.add() : undefined)
    if (client === undefined) this.waiting.push({ options, request })
    else this.sendOver(client, options, request)
  }

  /** Who comes waits for nothing that is about to be free. */
  private get opensMore(): boolean {
    return this.waiting.length >= this.ripening && this.clients.length < this.max
  }

  /** Connections that stand, those of them that are free, and requests that are sent and that wait. */
  get stats(): Pool['stats'] {
    const found = { connected: 0, free: 0, running: 0, pending: this.waiting.length }
    for (const { client, busy } of this.clients) {
      const { connected, running, pending } = client.stats
      if (connected) found.connected++
      if (connected && !busy) found.free++
      found.running += running
      found.pending += pending
    }
    return found
  }

  /** Ends when what is under way has ended. */
  async close(): Promise<void> {
    if (this.waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.served = resolve
      })
    }
    await Promise.all(this.clients.map(({ client }) => client.close()))
  }

  /** Closes every socket. Whoever destroys it has ended the calls. */
  async destroy(): Promise<void> {
    this.waiting = []
    await Promise.all(this.clients.map(({ client }) => client.destroy()))
  }

  /** @internal The answer over a connection has ended. */
  ended(): void {
    this.ripening++
  }

  /** @internal A connection takes the next request. */
  freed(client: PooledClient): void {
    this.ripened(client)
    client.busy = false
    const next = this.next()
    if (next === undefined) {
      client.below = this.free
      this.free = client
    } else this.sendOver(client, next.options, next.request)
  }

  /** @internal A connection is gone: undici would make it anew at the next request, but then there may be a free one. */
  lost(client: PooledClient): void {
    if (!this.clients.includes(client)) return
    this.clients = this.clients.filter((each) => each !== client)
    this.endpoint.connections--
    if (!client.busy) this.dropFree(client)
    this.ripened(client)
    // Whatever is still said of it is of no account.
    client.busy = false
    const next = this.next()
    if (next !== undefined) this.send(next.options, next.request)
  }

  private takeFree(): PooledClient | undefined {
    const { free } = this
    if (free === undefined) return undefined
    this.free = free.below
    free.below = undefined
    return free
  }

  private dropFree(client: PooledClient): void {
    if (this.free === client) {
      this.takeFree()
      return
    }
    for (let each = this.free; each !== undefined; each = each.below) if (each.below === client) each.below = client.below
  }

  private ripened(client: PooledClient): void {
    if (!client.ripening) return
    client.ripening = false
    this.ripening--
  }

  private add(): PooledClient {
    const client = new PooledClient(this.open(), this)
    // Few have more than one or two: an array that is pushed to makes room for seventeen.
    this.clients = [...this.clients, client]
    this.endpoint.connections++
    return client
  }

  private sendOver(each: PooledClient, options: DispatchOptions, request: PooledRequest): void {
    const { client } = each
    each.busy = true
    request.client = each
    const takesMore = client.dispatch(options, request.handler)
    // What undici refuses at once (a header that is none) leaves the connection as it was; a dial may have failed at once too.
    if (each.busy && (takesMore || (request.over && client.stats.size === 0))) this.freed(each)
  }

  private next(): Waiting | undefined {
    if (this.waiting.length === 0) return undefined
    let next = this.waiting.shift()
    // undici would take a connection for it, only to close that when it hears that nobody wants it.
    while (next?.request.over === true) next = this.waiting.shift()
    if (this.waiting.length === 0) this.served?.()
    return next
  }
}

/** One connection of a pool. */
export class PooledClient {
  readonly client: Client
  /** It has a request, or undici has not said yet that it can take one. */
  busy = false
  /** Its answer has ended: it will be free as soon as undici has seen that the other side does not close it. */
  ripening = false
  /** @internal The free one below it. */
  below: PooledClient | undefined = undefined
  private readonly pool: ClientPool

  constructor(client: Client, pool: ClientPool) {
    this.client = client
    this.pool = pool
    client.on('drain', () => {
      // One may come late, of a request that was given up before it was written.
      if (this.busy && (this.ripening || client.stats.size === 0)) pool.freed(this)
    })
    client.on('disconnect', () => {
      if (this.client.stats.pending === 0) pool.lost(this)
    })
    client.on('connectionError', () => pool.lost(this))
  }

  /** The answer was read to its end. */
  ended(): void {
    if (!this.busy || this.ripening) return
    this.ripening = true
    this.pool.ended()
  }
}

const NONE: readonly PooledClient[] = Object.freeze([])

interface Waiting {
  readonly options: DispatchOptions
  readonly request: PooledRequest
}

import type { Clock } from '../core/clock.ts'
import type { Described, Description } from '../core/described.ts'
import type { LimitSettings } from '../model/resources.ts'

/** A call that waits for a connection. */
export interface ConnectionWaiter {
  /** Whether one of the connections that are free will do. */
  readonly ready: boolean
  /** A connection came free: goes on. Out of the line by then, and free to enter it anew. */
  proceed(): void
}

/** Where tries go: how many of them one connection to it carries, how many use one, and how many connections these hold. */
export interface ConnectionCarrier {
  streams: number
  using: number
  held: number
}

/** A socket that somebody wants to open, and who could give one up for it. */
interface Dial {
  readonly begin: () => void
  readonly makeRoom: () => void
}

/**
 * The connections of one service: how many tries use one, who waits for one, and how many sockets there are. HTTP/1.1 has one
 * request on a connection, so a try that may be sent is a connection that may be used; over HTTP/2 as many tries as the server takes
 * streams hold one connection together. Idle sockets count all the same, which is why sockets are counted apart, and one is given up
 * elsewhere before one too many is opened.
 */
export class ConnectionLimit implements Described {
  readonly name = 'connections'
  readonly section = 'limits'
  /** Sockets, those that are being opened included. */
  sockets = 0
  /** Tries that use a connection. */
  busy = 0
  /** Connections that they hold. */
  private used = 0
  /** Tries that these could carry. */
  private capacity = 0
  /** Calls turned away because too many waited, or because every endpoint was full. */
  pendingRefusals = 0
  endpointRefusals = 0
  private readonly clock: Pick<Clock, 'afterPoll'>
  private max = Number.POSITIVE_INFINITY
  private perEndpoint = Number.POSITIVE_INFINITY
  private maxPending = Number.POSITIVE_INFINITY
  private readonly waiters = new Set<ConnectionWaiter>()
  private readonly dials: Dial[] = []
  /** Where tries ended since the last turn, and in the turn before it. */
  private freed: ConnectionCarrier[] = []
  private ripening: ConnectionCarrier[] = []
  /** For whoever tells no endpoints apart. */
  private readonly own: ConnectionCarrier = { streams: 1, using: 0, held: 0 }
  private turning = false
  private off = true

  constructor(clock: Pick<Clock, 'afterPoll'>) {
    this.clock = clock
  }

  /** Calls that wait. */
  get pending(): number {
    return this.waiters.size
  }

  /** Most sockets of one endpoint. */
  get maxPerEndpoint(): number {
    return Math.min(this.max, this.perEndpoint)
  }

  describe(): Description {
    const { used, busy, max, pending, maxPending, perEndpoint, room } = this
    const all = max === Number.POSITIVE_INFINITY ? `${used}` : `${used} of ${max}`
    const each = perEndpoint === Number.POSITIVE_INFINITY ? '' : `, at most ${perEndpoint} of an endpoint`
    const shared = busy === used ? '' : ` with ${busy} calls`
    const state = `${all} connections busy${shared}${each}, ${pending} of ${maxPending} calls waiting`
    const full = pending >= maxPending
    const because = room ? 'a call gets one at once' : full ? 'limits.maxPending is reached' : 'a call waits for one, within its deadline'
    return { state, because, admits: room || !full }
  }

  /** Applies to the living state: what is in use stays counted, and who waits keeps his place. */
  reconfigure({ maxConnections = Number.POSITIVE_INFINITY, maxPending = DEFAULT_MAX_PENDING, perEndpoint }: LimitSettings): void {
    this.perEndpoint = perEndpoint?.maxConnections ?? Number.POSITIVE_INFINITY
    this.off = Math.min(maxConnections, this.perEndpoint) === Number.POSITIVE_INFINITY
    this.max = maxConnections
    this.maxPending = maxPending
    this.serve()
  }

  /** Whether a call that comes now may use a connection at once: nobody overtakes those who wait. */
  get room(): boolean {
    return this.waiters.size === 0 && this.mayUse
  }

  /** Whether one more try may go to `carrier`: over a connection that is held already, or over one more. */
  roomAt(carrier: ConnectionCarrier): boolean {
    return carrier.using < carrier.held * carrier.streams || (this.used < this.max && carrier.held < this.perEndpoint)
  }

  take(carrier: ConnectionCarrier = this.own): void {
    this.busy++
    if (carrier.using++ >= carrier.held * carrier.streams) this.hold(carrier, carrier.held + 1)
  }

  /** How many tries one connection to `carrier` carries, from now on. */
  carries(carrier: ConnectionCarrier, streams: number): void {
    if (carrier.streams === streams) return
    this.capacity -= carrier.held * carrier.streams
    this.used -= carrier.held
    carrier.held = 0
    carrier.streams = streams
    this.hold(carrier, Math.ceil(carrier.using / streams))
    this.serve()
  }

  /**
   * A try is over. Its socket can be used again two turns of the loop later, when undici has put it back; until then it counts
   * as used, or the next call would open one more beside it.
   */
  release(carrier: ConnectionCarrier = this.own): void {
    if (this.off) {
      this.letGo(carrier)
      return
    }
    this.freed.push(carrier)
    if (this.turning) return
    this.turning = true
    this.clock.afterPoll(this.turn)
  }

  /** Lines up; false when too many do. */
  enqueue(waiter: ConnectionWaiter): boolean {
    if (this.waiters.size >= this.maxPending) {
      this.pendingRefusals++
      return false
    }
    this.waiters.add(waiter)
    return true
  }

  /** No longer waits; harmless for whoever did not. */
  leave(waiter: ConnectionWaiter): void {
    this.waiters.delete(waiter)
  }

  /** Begins to open a socket as soon as there may be one more. */
  dial(begin: () => void, makeRoom: () => void): void {
    if (this.sockets < this.max) {
      this.sockets++
      begin()
      return
    }
    this.dials.push({ begin, makeRoom })
    makeRoom()
  }

  /** A socket closed, or never came to be. */
  closed(): void {
    this.sockets--
    this.nextDial()
  }

  private readonly turn = (): void => {
    const ripened = this.ripening.length > 0
    for (const carrier of this.ripening) this.letGo(carrier)
    this.ripening = this.freed
    this.freed = []
    this.turning = this.ripening.length > 0
    if (this.turning) this.clock.afterPoll(this.turn)
    if (!ripened) return
    this.dials[0]?.makeRoom()
    this.serve()
  }

  /** Lets those who wait go on, in the order in which they came; the first who cannot holds back the others. */
  serve(): void {
    for (const waiter of this.waiters) {
      if (!this.mayUse) break
      if (!waiter.ready) break
      this.waiters.delete(waiter)
      waiter.proceed()
    }
    this.nextDial()
  }

  private get mayUse(): boolean {
    return this.used < this.max || this.busy < this.capacity
  }

  private letGo(carrier: ConnectionCarrier): void {
    this.busy--
    carrier.using--
    const needed = Math.ceil(carrier.using / carrier.streams)
    if (needed < carrier.held) this.hold(carrier, needed)
  }

  private hold(carrier: ConnectionCarrier, connections: number): void {
    const more = connections - carrier.held
    carrier.held = connections
    this.used += more
    this.capacity += more * carrier.streams
  }

  private nextDial(): void {
    while (this.sockets < this.max) {
      const dial = this.dials.shift()
      if (dial === undefined) return
      this.sockets++
      dial.begin()
    }
  }
}

/** As Envoy's `max_pending_requests`. */
const DEFAULT_MAX_PENDING = 1_024

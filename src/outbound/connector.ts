import type { Socket } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import type { AddressPolicy } from '../core/address.ts'
import { builtinModule } from '../core/builtin-module.ts'
import type { Clock } from '../core/clock.ts'
import type { EndpointSpec } from '../core/endpoint.ts'
import { isIP } from '../core/ip.ts'
import type { TlsSettings } from '../model/resources.ts'
import type { SecureContexts } from './secure-contexts.ts'

/** Code of a dial that was given up because we cannot say who we are; no endpoint is to blame. */
export const NO_IDENTITY = 'ERR_NO_IDENTITY'

/** Code of a dial that the end of the mesh cut short; no endpoint is to blame. */
export const CLOSED = 'ERR_CLOSED'

/** Code of a connection on which nobody speaks HTTP/2 although nothing else will do. */
export const NO_HTTP2 = 'ERR_NO_HTTP2'

/** Why a connection did not come about; undici hands it on untouched. */
export class DialError extends Error {
  readonly code: string
  /** True when TCP stood and TLS did not. */
  readonly tls: boolean
  constructor(message: string, code: string, tls: boolean, cause?: unknown) {
    super(message, { cause })
    this.name = 'DialError'
    this.code = code
    this.tls = tls
  }
}

type Connected = (error: Error | null, socket: Socket | null) => void

/** undici's connector signature; what undici says about the host is not used: the endpoint is dialled. */
export type Connector = (options: { servername?: string | undefined }, connected: Connected) => void

export interface DialOptions {
  readonly endpoint: EndpointSpec
  /** Undefined: clear text. */
  readonly tls: { readonly settings: TlsSettings | undefined; readonly serverName: string } | undefined
  readonly timeoutMs: number
  readonly clock: Clock
  readonly addressPolicy: AddressPolicy
  readonly contexts: SecureContexts
  /** What is offered by ALPN; HTTP/1.1 unless named. */
  readonly protocols?: readonly string[]
  /** Gets every socket as soon as it is made; the wait for it keeps no process alive then. */
  readonly background?: (socket: Socket) => void
  /** Holds, while a dial is under way, what gives it up: nobody else knows its socket yet. */
  readonly dialling?: Set<GiveUp>
}

/** Ends a dial with `error`. */
export type GiveUp = (error: DialError) => void

/**
 * Dials one endpoint: TCP and TLS together within `timeoutMs`, counted by our own clock, since undici's
 * connect timeout is up to a second late.
 */
export function connectorTo(dial: DialOptions): Connector {
  const open = opener(dial)
  const { endpoint, tls, timeoutMs, clock, addressPolicy } = dial
  const ready = tls === undefined ? 'connect' : 'secureConnect'
  return (_, connected) => {
    // A name would be looked up in the thread pool, past everything that resolves names here.
    const refusal = isIP(endpoint.host) === 0 ? 'a name that nobody resolved' : addressPolicy.refusal(endpoint.host)
    if (refusal !== undefined) {
      connected(new DialError(`${endpoint.address}: ${refusal}`, 'ERR_ADDRESS_REFUSED', false), null)
      return
    }
    const missing = tls === undefined ? undefined : dial.contexts.missing(tls.settings)
    if (missing !== undefined) {
      connected(new DialError(`${endpoint.address}: ${missing}`, NO_IDENTITY, true), null)
      return
    }
    const socket = open()
    dial.background?.(socket)
    let tcpStands = false
    let settled = false
    const settle = (error: DialError | null): void => {
      if (settled) return
      settled = true
      timer.cancel()
      dial.dialling?.delete(settle)
      if (error === null) {
        // Nothing of the dial is to live as long as the socket.
        socket.removeListener('error', failed)
        socket.removeListener('close', closed)
        connected(null, socket)
      } else {
        // The failed socket keeps its error listener: it may complain once more while it closes.
        socket.destroy()
        connected(error, null)
      }
    }
    const failed = (error: NodeJS.ErrnoException): void =>
      settle(new DialError(`${endpoint.address}: ${error.message || error.code}`, error.code ?? 'ERR_CONNECT', tcpStands, error))
    const closed = (): void => failed(new Error('closed before it stood'))
    const timer = clock.setTimer(() => {
      const missing = tcpStands ? 'TLS handshake' : 'connection'
      settle(new DialError(`${endpoint.address}: no ${missing} within ${timeoutMs} ms`, 'ERR_CONNECT_TIMEOUT', tcpStands))
    }, timeoutMs)
    if (dial.background !== undefined) timer.unref()
    dial.dialling?.add(settle)
    if (tls !== undefined) {
      socket.once('connect', () => {
        tcpStands = true
      })
    }
    socket.once(ready, () => settle(null))
    socket.once('close', closed)
    socket.on('error', failed)
  }
}

/** What opens one more socket to the endpoint, keeping the TLS session between them. */
function opener({ endpoint, tls, contexts, protocols = ['http/1.1'] }: DialOptions): () => Socket {
  const { host, port } = endpoint
  if (tls === undefined) {
    const options = { host, port, highWaterMark: 64 * 1024, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
    return () => builtinModule('node:net').connect(options)
  }
  let session: Buffer | undefined
  const { serverName, settings } = tls
  const resumes = contexts.resumes(settings)
  return () => {
    const options = {
      host,
      port,
      session: resumes ? session : undefined,
      // RFC 6066 §3: an address is never sent as SNI.
      servername: isIP(serverName) === 0 ? serverName : '',
      checkServerIdentity: (_: string, certificate: PeerCertificate) => contexts.checkServer(settings, serverName, certificate),
      secureContext: contexts.of(settings),
      ALPNProtocols: [...protocols],
      // A TLS record is no longer.
      highWaterMark: 16 * 1024,
    }
    const socket = builtinModule('node:tls').connect(options)
    socket.on('session', (ticket) => {
      session = ticket
    })
    return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS)
  }
}

const KEEP_ALIVE_MS = 60_000

import type { TLSSocket } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import type { Principal } from '../model/principal.ts'
import type { PeerVerifier, VerifiedPeer } from '../security/peer-verifier.ts'
import { presentedBy } from '../security/presented.ts'
import { matchesSan } from '../security/spiffe/san-matcher.ts'
import type { ServerTerms } from './server-terms.ts'

/** Whatever a request came over: a socket of Node, or the stand-in that HTTP/2 hands out. */
export type PeerSocket = object

/** What is known of the peer of one connection. */
export interface ProvenPeer {
  /** Undefined: it proved nothing, or nobody asked it. */
  readonly principal: Principal | undefined
  /** Why the connection may not be served. */
  readonly problem: string | undefined
  /** Milliseconds since the epoch after which its certificate proves nothing. */
  readonly notAfter: number
}

/** A peer, and what it was judged by. */
interface Judged {
  readonly peer: ProvenPeer
  readonly terms: ServerTerms | undefined
  readonly generation: number
}

const NOBODY: ProvenPeer = Object.freeze({ principal: undefined, problem: undefined, notAfter: Number.POSITIVE_INFINITY })

/** Who is at the other end of each connection; found out once and kept with the connection. */
export class ProvenPeers {
  private readonly verifier: PeerVerifier
  private readonly clock: Clock
  /** A property of our own: the stand-in for a socket that HTTP/2 hands out passes reads and writes on to the socket itself. */
  private readonly key = Symbol('inmesh.peer')
  /** Goes up when less is believed than before. */
  private generation = 0

  constructor(verifier: PeerVerifier, clock: Clock) {
    this.verifier = verifier
    this.clock = clock
  }

  /**
   * Who the peer of `socket` proved to be by its certificate; undefined without one, and from the moment at which it ends.
   * Never throws.
   */
  principalOf(socket: PeerSocket): Principal | undefined {
    const { principal, notAfter } = this.of(socket)
    // The certificate may end while the connection goes on.
    return principal !== undefined && this.clock.wallTime() > notAfter ? undefined : principal
  }

  /** What is known of the peer. A connection of a server that is not ours is judged at the first question, as in mode permissive. */
  of(socket: PeerSocket): ProvenPeer {
    try {
      const known = this.known(socket)
      return known?.generation === this.generation ? known.peer : this.learn(socket as TLSSocket, known?.terms)
    } catch {
      // The stand-in of an HTTP/2 session that is over throws at every touch.
      return NOBODY
    }
  }

  /** Less is believed than before: whoever was judged is judged again at the next question. */
  doubt(): void {
    this.generation++
  }

  /** Judges the peer anew, as `terms` ask, and remembers it. */
  learn(socket: TLSSocket, terms: ServerTerms | undefined): ProvenPeer {
    const peer = this.judge(socket, terms)
    try {
      ;(socket as unknown as Record<symbol, Judged>)[this.key] = { peer, terms, generation: this.generation }
    } catch {
      // Somebody froze his own socket: it is judged again at the next question.
    }
    return peer
  }

  private known(socket: PeerSocket): Judged | undefined {
    return (socket as Record<symbol, Judged | undefined>)[this.key]
  }

  private judge(socket: TLSSocket, terms: ServerTerms | undefined): ProvenPeer {
    if (terms?.asksClients === false || typeof socket.getPeerCertificate !== 'function') return NOBODY
    const presented = presentedOrNothing(socket)
    if (presented.length === 0) return terms?.mode === 'strict' ? refused('the peer showed no certificate') : NOBODY
    // Where Node was not asked to verify it, as in mode permissive, it has done so all the same.
    if (terms !== undefined && !socket.authorized) return refused(`the certificate is not accepted: ${textOf(socket.authorizationError)}`)
    const verdict = this.verifier.verify(presented, { role: 'client', others: terms?.others, openSslAgrees: socket.authorized })
    if ('problem' in verdict) return refused(verdict.problem)
    return matched(verdict, terms)
  }
}

function matched({ principal, leaf }: VerifiedPeer, terms: ServerTerms | undefined): ProvenPeer {
  const { sans } = terms?.settings ?? {}
  if (sans !== undefined && !matchesSan(sans, leaf)) return refused(`${principal.id} is none of those that may connect`)
  return Object.freeze({ principal, problem: undefined, notAfter: leaf.notAfter })
}

function refused(problem: string): ProvenPeer {
  return Object.freeze({ ...NOBODY, problem })
}

/** A connection that is closed already has nothing to show. */
function presentedOrNothing(socket: TLSSocket): readonly Uint8Array[] {
  try {
    return presentedBy(socket)
  } catch {
    return []
  }
}

/** Node has an error here, or its code. */
function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error ?? 'unknown reason')
}

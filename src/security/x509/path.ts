import type { Certificate } from './certificate.ts'
import type { RevocationList } from './revocation-list.ts'

/** Who is believed: authorities, and what they took back. */
export interface Anchors {
  readonly authorities: readonly Certificate[]
  /** Empty: nobody asks whether something was revoked. Otherwise every issuer of a path needs one. */
  readonly revocations: readonly RevocationList[]
}

/** A path from a leaf to an authority, both included; or why there is none. */
export type Path = { readonly path: readonly Certificate[] } | { readonly problem: string }

/** The problem of a certificate that nothing leads away from. */
export const UNKNOWN_ISSUER = 'its issuer is unknown'
/** Certificates between a leaf and an authority. */
const MAX_BETWEEN = 8
/** A peer that sends hundreds of look-alikes must not have us verify them all. */
const MAX_SIGNATURES = 32

/**
 * A path from `leaf` over certificates that the peer sent to one of `anchors` (RFC 5280 §6): names and signatures fit, everything is
 * valid at `at`, each issuer is an authority that may sign and has so many below it as it allows, and nothing is revoked.
 */
export function findPath(leaf: Certificate, sent: readonly Certificate[], anchors: Anchors, at: number): Path {
  const timeProblem = outOfTime(leaf, at)
  if (timeProblem !== undefined) return { problem: `the certificate ${timeProblem}` }
  return new Search(sent, anchors, at).from(leaf)
}

class Search {
  private readonly sent: readonly Certificate[]
  private readonly anchors: Anchors
  private readonly at: number
  private signatures = 0
  /** The last thing that stood in the way of a path that else went on. */
  private obstacle: string | undefined = undefined

  constructor(sent: readonly Certificate[], anchors: Anchors, at: number) {
    this.sent = sent
    this.anchors = anchors
    this.at = at
  }

  from(leaf: Certificate): Path {
    if (leaf.unknownCritical !== undefined) return { problem: `the certificate has an extension nobody knows (${leaf.unknownCritical})` }
    const path = this.extend([leaf], 0)
    return path === undefined ? { problem: this.obstacle ?? UNKNOWN_ISSUER } : { path }
  }

  /** @param authorities how many of `path` count against a length limit above: those that did not issue themselves a new key */
  private extend(path: readonly Certificate[], authorities: number): readonly Certificate[] | undefined {
    const last = path[path.length - 1] as Certificate
    for (const anchor of this.anchors.authorities) if (this.issued(last, anchor, authorities)) return [...path, anchor]
    if (path.length > MAX_BETWEEN) return undefined
    for (const issuer of this.sent) {
      if (path.includes(issuer) || !this.issued(last, issuer, authorities)) continue
      const found = this.extend([...path, issuer], authorities + (issuer.subject.equals(issuer.issuer) ? 0 : 1))
      if (found !== undefined) return found
    }
    return undefined
  }

  private issued(subject: Certificate, issuer: Certificate, authorities: number): boolean {
    if (!subject.issuer.equals(issuer.subject)) return false
    // Also compares the identifiers of the keys.
    if (!subject.x509.checkIssued(issuer.x509)) return false
    if (this.signatures++ >= MAX_SIGNATURES) return this.blocked('too many certificates')
    if (!subject.x509.verify(issuer.x509.publicKey)) return false
    const problem = authorityProblem(issuer, this.at, authorities) ?? this.revocation(subject, issuer)
    return problem === undefined || this.blocked(problem)
  }

  private blocked(problem: string): false {
    this.obstacle = problem
    return false
  }

  private revocation(subject: Certificate, issuer: Certificate): string | undefined {
    const { revocations } = this.anchors
    if (revocations.length === 0) return undefined
    const lists = revocations.filter((list) => list.signedBy(issuer))
    if (lists.some(({ revoked }) => revoked.has(subject.serial))) return 'it was revoked'
    const valid = lists.some(({ thisUpdate, nextUpdate }) => thisUpdate <= this.at && this.at <= nextUpdate)
    // Nobody knows whether it was revoked, so it is not let in.
    return valid ? undefined : `there is no valid revocation list of its issuer`
  }
}

/** Why `certificate` may not have issued anything at `at`. */
function authorityProblem(certificate: Certificate, at: number, below: number): string | undefined {
  if (!certificate.isAuthority || certificate.keyUsage?.certSign === false) return 'its issuer is no authority'
  const time = outOfTime(certificate, at)
  if (time !== undefined) return `its issuer ${time}`
  if (certificate.pathLength < below) return 'there are more authorities between than the one above allows'
  if (certificate.unknownCritical !== undefined) return `its issuer has an extension nobody knows (${certificate.unknownCritical})`
  return undefined
}

function outOfTime({ notBefore, notAfter, x509 }: Certificate, at: number): string | undefined {
  if (at > notAfter) return `expired on ${x509.validTo}`
  return at < notBefore ? `is not valid before ${x509.validFrom}` : undefined
}

import { ERRORS, type MeshErrorCode } from '../../core/errors.ts'
import type { Refusal } from '../../core/gate.ts'

/** Everything that a request may be refused for. No text says anything of the token itself: whoever reads logs must not get it. */
const FAILURES = {
  missing: { code: 'MESH_UNAUTHENTICATED', reason: 'a token is required, and none came with the request' },
  'other-provider': { code: 'MESH_UNAUTHENTICATED', reason: 'the token is not of a provider that is required here' },
  several: { code: 'MESH_UNAUTHENTICATED', reason: 'more than one token came where one is expected' },
  'too-long': { code: 'MESH_UNAUTHENTICATED', reason: 'the token is too long' },
  malformed: { code: 'MESH_UNAUTHENTICATED', reason: 'the token is not a signed JWT in compact form' },
  encrypted: { code: 'MESH_UNAUTHENTICATED', reason: 'the token is encrypted, and only signed ones are taken' },
  nested: { code: 'MESH_UNAUTHENTICATED', reason: 'the token holds another token' },
  critical: { code: 'MESH_UNAUTHENTICATED', reason: 'the token needs an extension that is not understood' },
  algorithm: { code: 'MESH_UNAUTHENTICATED', reason: 'the token is signed by an algorithm that is not taken' },
  issuer: { code: 'MESH_UNAUTHENTICATED', reason: 'the issuer of the token is not known' },
  subject: { code: 'MESH_UNAUTHENTICATED', reason: 'the subject of the token cannot be used' },
  'no-expiry': { code: 'MESH_UNAUTHENTICATED', reason: 'the token does not say when it expires' },
  time: { code: 'MESH_UNAUTHENTICATED', reason: 'a time in the token cannot be used' },
  expired: { code: 'MESH_UNAUTHENTICATED', reason: 'the token has expired' },
  'not-yet': { code: 'MESH_UNAUTHENTICATED', reason: 'the token is not valid yet' },
  audience: { code: 'MESH_FORBIDDEN', reason: 'the token is meant for another audience' },
  'unknown-key': { code: 'MESH_UNAUTHENTICATED', reason: 'the key that signed the token is not known' },
  signature: { code: 'MESH_UNAUTHENTICATED', reason: 'the signature of the token is wrong' },
  unavailable: { code: 'MESH_NOT_READY', reason: 'the keys that tokens are checked with could not be fetched' },
} as const satisfies Record<string, { code: MeshErrorCode; reason: string }>

/** Why a request was refused, in one word. */
export type TokenFailure = keyof typeof FAILURES

/** What would be the same at the next look, wherever the token stands, while the keys are the same. */
const PERMANENT: ReadonlySet<TokenFailure> = new Set([
  'malformed',
  'encrypted',
  'nested',
  'critical',
  'algorithm',
  'subject',
  'no-expiry',
  'time',
  'expired',
  'audience',
  'signature',
])

/** Whether `failure` may be remembered for a while. */
export function isPermanent(failure: TokenFailure): boolean {
  return PERMANENT.has(failure)
}

/** Every refusal, made once. The challenge is RFC 6750's: without an error where no token came. */
export function tokenRefusals(realm: string): Readonly<Record<TokenFailure, Refusal>> {
  const quoted = realm.replace(/["\\]/g, '\\$&')
  const entries = Object.entries(FAILURES).map(([failure, { code, reason }]): [string, Refusal] => {
    const { status } = ERRORS[code]
    // That it expired is what a client can mend; why else a token is not taken would teach strangers how ours are made.
    const description = failure === 'expired' ? `, error_description="${reason}"` : ''
    const error = failure === 'missing' || failure === 'other-provider' ? '' : `, error="invalid_token"${description}`
    const challenge = code === 'MESH_NOT_READY' ? undefined : `Bearer realm="${quoted}"${error}`
    return [failure, Object.freeze({ refused: true as const, code, status, reason, challenge, from: 'options/inbound#authentication' })]
  })
  return Object.freeze(Object.fromEntries(entries)) as Readonly<Record<TokenFailure, Refusal>>
}

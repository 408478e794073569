import type { TokenFailure } from './refusals.ts'
import { type Claims, parseStrictObject } from './strict-json.ts'

/** A token taken apart; nothing of it is proved yet. */
export interface UnprovedToken {
  readonly text: string
  readonly algorithm: string
  readonly kid: string | undefined
  /** The second part, as it is written. */
  readonly payload: string
  readonly claims: Claims
}

/**
 * Takes a JWS in compact form (RFC 7515 §3.1) apart, or says what is wrong with it. There is one spelling for each token: spare bits,
 * padding, a BOM, broken UTF-8 and doubled names are refused. Keys that a header brings along or points to are never looked at.
 */
export function readToken(text: string, maxBytes: number): UnprovedToken | TokenFailure {
  if (text.length > maxBytes) return 'too-long'
  const parts = text.split('.', 6)
  if (parts.length === 5) return 'encrypted'
  const [head = '', payload = '', signature = ''] = parts
  if (parts.length !== 3) return 'malformed'
  const header = objectOf(head)
  if (header === undefined) return 'malformed'
  const problem = problemOf(header)
  if (problem !== undefined) return problem
  const claims = objectOf(payload)
  if (claims === undefined || decode(signature) === undefined) return 'malformed'
  return { text, algorithm: header['alg'] as string, kid: header['kid'] as string | undefined, payload, claims }
}

function problemOf(header: Claims): TokenFailure | undefined {
  const { alg, kid, typ, cty } = header
  // What must be understood is listed there; we understand nothing beyond the RFC, and unencoded payloads (RFC 7797) are one of it.
  if (header['crit'] !== undefined || header['b64'] !== undefined) return 'critical'
  if (header['enc'] !== undefined || header['zip'] !== undefined) return 'encrypted'
  if (typeof alg !== 'string') return 'malformed'
  if (typ !== undefined && typeof typ !== 'string') return 'malformed'
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID)) return 'malformed'
  return cty === undefined || (typeof cty === 'string' && !/jwt$/i.test(cty)) ? undefined : 'nested'
}

function objectOf(part: string): Claims | undefined {
  const bytes = decode(part)
  if (bytes === undefined) return undefined
  try {
    return parseStrictObject(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** Node passes over what is no base64url, and over the spare bits of the last character: only what reads back the same counts. */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}

const MAX_KID = 256

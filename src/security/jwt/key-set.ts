import type { KeyObject } from 'node:crypto'
import { builtinModule } from '../../core/builtin-module.ts'
import type { TokenAlgorithm } from '../../model/authentication.ts'

/** A public key, and which signatures it may check. */
export interface VerificationKey {
  readonly kid: string | undefined
  readonly algorithms: readonly TokenAlgorithm[]
  readonly key: KeyObject
}

/** The keys of one issuer, by the names that tokens call them by. */
export class KeySet {
  readonly size: number
  /** Equal for sets that check the same tokens. */
  readonly fingerprint: string
  private readonly named = new Map<string, VerificationKey[]>()
  private readonly nameless: VerificationKey[] = []
  private readonly all: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[]) {
    this.all = keys
    this.size = keys.length
    for (const key of keys) {
      const named = key.kid === undefined ? this.nameless : this.named.get(key.kid)
      if (named !== undefined) named.push(key)
      else this.named.set(key.kid as string, [key])
    }
    this.fingerprint = keys.map(fingerprintOf).sort().join('\n')
  }

  /**
   * Keys that may have signed a token; none when nobody knows its key. A token that names a key is checked with the keys of that
   * name, or else with those that have none; one that names none with whatever fits, unless that is so much that guessing is dear.
   */
  find(algorithm: string, kid: string | undefined): readonly VerificationKey[] {
    const candidates = kid === undefined ? this.all : (this.named.get(kid) ?? this.nameless)
    const fitting = candidates.filter(({ algorithms }) => (algorithms as readonly string[]).includes(algorithm))
    return fitting.length > MAX_GUESSES ? [] : fitting
  }

  /** Whether the very key that a token names is here: then no newer set would say anything else of it. */
  has(kid: string | undefined): boolean {
    return kid !== undefined && this.named.has(kid)
  }
}

/** What of a key set can be used, and what is wrong with the rest. */
export interface ReadKeys {
  readonly keys: readonly VerificationKey[]
  readonly problems: readonly { readonly index: number; readonly problem: string }[]
}

/**
 * Reads a JSON Web Key set (RFC 7517). Of each key only the public numbers are taken; keys for other uses are passed over, secret and
 * private ones, short and misshapen ones are problems. Nothing of a key stands in a problem.
 * @throws Error when it is no key set at all
 */
export function readKeys(json: unknown): ReadKeys {
  const list = (json as { keys?: unknown } | null | undefined)?.keys
  if (!Array.isArray(list)) throw new Error('expected a key set: { keys: [ … ] }')
  if (list.length > MAX_KEYS) throw new Error(`the key set has ${list.length} keys, more than ${MAX_KEYS}`)
  const keys: VerificationKey[] = []
  const problems: { index: number; problem: string }[] = []
  for (const [index, jwk] of (list as unknown[]).entries()) {
    const read = readKey(jwk)
    if (typeof read === 'string') problems.push({ index, problem: read })
    else if (read !== undefined) keys.push(read)
  }
  return { keys, problems }
}

/** A key, what is wrong with it, or undefined when it is for something else. */
function readKey(jwk: unknown): VerificationKey | string | undefined {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return 'expected a key'
  const { kty, use, key_ops: operations, alg, kid, d, k } = jwk as Record<string, unknown>
  if (kty === 'oct' || k !== undefined) return 'a secret key can make tokens as well: only public keys are taken'
  if (d !== undefined) return 'a private key has no place in a key set that others read'
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return undefined
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KID)) return `kid: expected text of at most ${MAX_KID} characters`
  const numbers = publicNumbers(jwk as Record<string, unknown>)
  if (typeof numbers === 'string') return numbers
  const algorithms = alg === undefined ? numbers.algorithms : numbers.algorithms.filter((each) => isSame(each, alg))
  if (algorithms.length === 0) return undefined
  try {
    const key = builtinModule('node:crypto').createPublicKey({ key: numbers.jwk, format: 'jwk' })
    return weakness(key) ?? { kid: kid === '' ? undefined : kid, algorithms, key }
  } catch {
    return 'no public key can be read from it'
  }
}

/** What is wrong with an RSA key that can be read: too short is unsafe, too long or with a huge exponent makes every check dear. */
function weakness({ asymmetricKeyDetails: details }: KeyObject): string | undefined {
  const { modulusLength = MIN_RSA_BITS, publicExponent = MIN_EXPONENT } = details ?? {}
  if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS)
    return `an RSA key of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits is expected`
  // With 1 everybody can sign.
  const usable = publicExponent >= MIN_EXPONENT && publicExponent < MAX_EXPONENT && publicExponent % 2n === 1n
  return usable ? undefined : 'e: expected an odd number from 3 to 2^32'
}

interface PublicNumbers {
  readonly jwk: Record<string, string>
  readonly algorithms: readonly TokenAlgorithm[]
}

function publicNumbers(jwk: Record<string, unknown>): PublicNumbers | string {
  const { kty, crv } = jwk
  if (kty === 'RSA') {
    const { n, e } = jwk
    if (bytesOf(n) === undefined || bytesOf(e) === undefined) return 'n and e: expected base64url'
    return { jwk: { kty, n: n as string, e: e as string }, algorithms: RSA }
  }
  const curve = kty === 'EC' || kty === 'OKP' ? CURVES.get(`${kty} ${String(crv)}`) : undefined
  if (curve === undefined) return 'a key of type RSA, EC (P-256, P-384, P-521) or OKP (Ed25519) is expected'
  const found: Record<string, string> = { kty: kty as string, crv: crv as string }
  for (const name of curve.numbers) {
    if (bytesOf(jwk[name])?.length !== curve.bytes) return `${name}: expected base64url of ${curve.bytes} bytes`
    found[name] = jwk[name] as string
  }
  return { jwk: found, algorithms: curve.algorithms }
}

function bytesOf(value: unknown): Buffer | undefined {
  if (typeof value !== 'string' || value.length > 2_048 || !/^[\w-]+$/.test(value)) return undefined
  return Buffer.from(value, 'base64url')
}

/** `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864) are two names of one thing. */
function isSame(algorithm: TokenAlgorithm, alg: unknown): boolean {
  return algorithm === alg || (EDWARDS.includes(algorithm) && EDWARDS.includes(alg as TokenAlgorithm))
}

function fingerprintOf({ kid, algorithms, key }: VerificationKey): string {
  return JSON.stringify([kid, algorithms, key.export({ format: 'jwk' })])
}

const RSA: readonly TokenAlgorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const EDWARDS: readonly TokenAlgorithm[] = ['EdDSA', 'Ed25519']
const CURVES: ReadonlyMap<string, { bytes: number; numbers: readonly string[]; algorithms: readonly TokenAlgorithm[] }> = new Map([
  ['EC P-256', { bytes: 32, numbers: ['x', 'y'], algorithms: ['ES256'] }],
  ['EC P-384', { bytes: 48, numbers: ['x', 'y'], algorithms: ['ES384'] }],
  ['EC P-521', { bytes: 66, numbers: ['x', 'y'], algorithms: ['ES512'] }],
  ['OKP Ed25519', { bytes: 32, numbers: ['x'], algorithms: EDWARDS }],
])
const MIN_RSA_BITS = 2_048
const MAX_RSA_BITS = 8_192
const MIN_EXPONENT = 3n
const MAX_EXPONENT = 2n ** 32n
const MAX_KEYS = 100
const MAX_KID = 256
/** Checks that a token without a name for its key may cost. */
const MAX_GUESSES = 4

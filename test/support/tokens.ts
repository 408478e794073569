import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { authentication } from '../../src/config/schema/authentication.ts'
import { parse } from '../../src/config/schema/problems.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { AuthenticationOptions, AuthenticationSettings, TokenAlgorithm } from '../../src/model/authentication.ts'
import type { HttpAnswer, HttpClient, HttpRequest } from '../../src/model/http-client.ts'
import { TokenAuthenticator } from '../../src/security/jwt/authenticator.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** Time of the virtual clock at its zero, in seconds as tokens write it. */
export const NOW = 1_800_000_000

export const ISSUER = 'https://issuer.example'

/** Somebody who signs tokens, good ones and any other. */
export class TokenIssuer {
  readonly algorithm: TokenAlgorithm
  readonly kid: string | undefined
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject

  constructor(algorithm: TokenAlgorithm = 'ES256', kid: string | undefined = 'k1') {
    const { privateKey, publicKey } = keyPair(algorithm)
    this.algorithm = algorithm
    this.kid = kid
    this.privateKey = privateKey
    this.publicKey = publicKey
  }

  /** The public key as it stands in a key set. */
  jwk(more: Record<string, unknown> = {}): Record<string, unknown> {
    return { ...this.publicKey.export({ format: 'jwk' }), ...(this.kid !== undefined && { kid: this.kid }), use: 'sig', ...more }
  }

  keySet(...others: TokenIssuer[]): { keys: Record<string, unknown>[] } {
    return { keys: [this, ...others].map((issuer) => issuer.jwk()) }
  }

  /** A token that holds for an hour unless `claims` say otherwise; text is signed as it is. */
  token(claims: Record<string, unknown> | string = {}, header: Record<string, unknown> | string = {}): string {
    const own = { iss: ISSUER, sub: 'ann', exp: NOW + 3_600 }
    const written = typeof claims === 'string' ? claims : JSON.stringify({ ...own, ...claims })
    const head = { alg: this.algorithm, kid: this.kid }
    return this.signed(typeof header === 'string' ? header : JSON.stringify({ ...head, ...header }), written)
  }

  /** Whatever is given, signed. */
  signed(header: string | Uint8Array, payload: string | Uint8Array): string {
    const input = `${base64url(header)}.${base64url(payload)}`
    return `${input}.${signature(this.algorithm, this.privateKey, input).toString('base64url')}`
  }
}

export function base64url(written: string | Uint8Array): string {
  return Buffer.from(written as string).toString('base64url')
}

function keyPair(algorithm: TokenAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm.startsWith('Ed')) return generateKeyPairSync('ed25519')
  if (!algorithm.startsWith('ES')) return generateKeyPairSync('rsa', { modulusLength: 2_048 })
  return generateKeyPairSync('ec', { namedCurve: { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[algorithm as 'ES256'] as string })
}

function signature(algorithm: TokenAlgorithm, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input)
  if (algorithm.startsWith('Ed')) return sign(null, bytes, key)
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('ES')) return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
  // RSASSA-PSS with a salt as long as the hash (RFC 7518 §3.5).
  return sign(hash, bytes, algorithm.startsWith('PS') ? { key, padding: 6, saltLength: Number(algorithm.slice(2)) / 8 } : { key })
}

/** Options as the mesh checks them. */
export function checkedAuthentication(options: AuthenticationOptions): AuthenticationSettings {
  const parsed = parse(authentication, options)
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'))
  return parsed.output
}

/** A server of key sets without a network: `answer` is asked for each fetch. */
export class KeyServer implements HttpClient {
  readonly requests: HttpRequest[] = []
  answer: (request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer

  constructor(answer: (request: HttpRequest) => Promise<HttpAnswer> | HttpAnswer) {
    this.answer = answer
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    this.requests.push(request)
    return this.answer(request)
  }
}

export function answerOf(document: unknown, headers: Record<string, string> = {}, status = 200): HttpAnswer {
  return { status, headers, body: Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)) }
}

export interface AuthenticatorUnderTest {
  gate: TokenAuthenticator
  clock: VirtualClock
  told: string[]
}

/** The gate on a virtual clock; without `http` no fetch is expected. */
export function authenticator(
  options: AuthenticationOptions,
  http: HttpClient = new KeyServer(() => Promise.reject(new Error('nobody should ask'))),
): AuthenticatorUnderTest {
  const clock = new VirtualClock()
  const told: string[] = []
  const gate = new TokenAuthenticator(checkedAuthentication(options), {
    clock,
    random: seededRandom(1),
    http,
    service: 'web',
    failed: (provider, error) => told.push(`${provider}: ${error.message}`),
    recovered: (provider) => told.push(`${provider}: recovered`),
  })
  return { gate, clock, told }
}

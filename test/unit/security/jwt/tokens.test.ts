import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { TokenAlgorithm, TokenProviderOptions } from '../../../../src/model/authentication.ts'
import type { InboundCall } from '../../../../src/model/inbound-call.ts'
import { inboundCall } from '../../../support/inbound-call.ts'
import { type AuthenticatorUnderTest, authenticator, base64url, ISSUER, NOW, TokenIssuer } from '../../../support/tokens.ts'

const issuer = new TokenIssuer()
const stranger = new TokenIssuer()
const rsa = new TokenIssuer('RS256', 'r1')

const bearing = (token: string, headers: Record<string, string | string[]> = {}): InboundCall =>
  inboundCall({ headers: { authorization: `Bearer ${token}`, ...headers } })

function gateOf(provider: Partial<TokenProviderOptions> = {}): AuthenticatorUnderTest {
  return authenticator({ providers: { auth0: { issuer: ISSUER, jwks: issuer.keySet(rsa), ...provider } } })
}

/** `ok`, or why not: the status and the reason. */
async function verdict({ gate }: AuthenticatorUnderTest, call: InboundCall): Promise<string> {
  const answer = await gate.admit(call)
  return answer.refused === true ? `${answer.status} ${answer.reason}` : 'ok'
}

const MALFORMED = '401 the token is not a signed JWT in compact form'
const SIGNATURE = '401 the signature of the token is wrong'
const ALGORITHM = '401 the token is signed by an algorithm that is not taken'
const CRITICAL = '401 the token needs an extension that is not understood'
const TIME = '401 a time in the token cannot be used'
const UNKNOWN_KEY = '401 the key that signed the token is not known'

const good = issuer.token()
const [head = '', body = '', proof = ''] = good.split('.')
const claims = { iss: ISSUER, sub: 'ann', exp: NOW + 3_600 }
/** HMAC with what everybody can read: the public key in every form that a careless library takes for a secret. */
const hmac = (secret: string | Buffer, alg = 'HS256', kid = 'r1'): string => {
  const input = `${base64url(JSON.stringify({ alg, kid }))}.${base64url(JSON.stringify(claims))}`
  return `${input}.${createHmac(`sha${alg.slice(2)}`, secret)
    .update(input)
    .digest('base64url')}`
}

describe('a token that is right', () => {
  it.each<TokenAlgorithm>(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])(
    '%s is taken, and says on whose behalf the request is made',
    async (algorithm) => {
      const signer = new TokenIssuer(algorithm)
      const call = bearing(signer.token({ roles: ['a', { b: 1 }] }))
      expect(await verdict(gateOf({ jwks: signer.keySet() }), call)).toBe('ok')
      expect(call.requestPrincipal).toEqual({
        id: `${ISSUER}/ann`,
        issuer: ISSUER,
        subject: 'ann',
        claims: { ...claims, roles: ['a', { b: 1 }] },
      })
    },
  )

  it('is shared by all requests with it, and nobody can change it', async () => {
    const under = gateOf()
    const [one, two] = [
      bearing(issuer.token('{"iss":"https://issuer.example","exp":1800003600,"__proto__":{"admin":true},"a":{"b":[1]}}')),
      bearing(good),
    ]
    await under.gate.admit(one)
    const claims = one.requestPrincipal?.claims as { a: { b: number[] }; admin?: boolean }
    expect(Object.getPrototypeOf(claims)).toBe(null)
    expect(Object.getPrototypeOf(claims.a)).toBe(null)
    expect(claims.admin).toBe(undefined)
    expect(() => claims.a.b.push(2)).toThrow(TypeError)
    expect(() => Object.assign(claims.a, { c: 1 })).toThrow(TypeError)
    expect(one.requestPrincipal?.subject).toBe('')
    await under.gate.admit(two)
    expect(two.requestPrincipal?.subject).toBe('ann')
  })

  it('is known when it comes again, and then answered at once', async () => {
    const under = gateOf()
    expect(under.gate.admit(bearing(good))).toBeInstanceOf(Promise)
    await verdict(under, bearing(good))
    const [one, two] = [bearing(good), bearing(good)]
    expect([under.gate.admit(one), under.gate.admit(two)]).toEqual([expect.not.objectContaining({ refused: true }), expect.anything()])
    expect(one.requestPrincipal).toBe(two.requestPrincipal)
    expect(one.requestPrincipal).toBeDefined()
    expect(under.gate.stats()).toMatchObject({ cached: 2, refused: 0 })
  })

  it('is known no longer than it holds', async () => {
    const under = gateOf({ leeway: '10s' })
    expect(await verdict(under, bearing(issuer.token({ exp: NOW + 60 })))).toBe('ok')
    under.clock.advance(69_999)
    const call = bearing(issuer.token({ exp: NOW + 60 }))
    // ES256 signs with a nonce: ask with the text that is known.
    expect(await verdict(under, call)).toBe('ok')
    under.clock.advance(1)
    expect(await verdict(under, call)).toBe('401 the token has expired')
    expect(under.gate.admit(call)).toMatchObject({ refused: true, status: 401 })
  })
})

describe('a token that is wrong is refused', () => {
  it.each<[string, string, string, Partial<TokenProviderOptions>?]>([
    // Form.
    ['nothing', '', MALFORMED],
    ['no JWT', 'opaque', MALFORMED],
    ['two parts', `${head}.${body}`, MALFORMED],
    ['four parts', `${good}.${proof}`, MALFORMED],
    ['six parts', `${good}.a.b.c`, MALFORMED],
    [
      'encrypted',
      `${base64url('{"alg":"RSA-OAEP","enc":"A256GCM"}')}.a.b.c.d`,
      '401 the token is encrypted, and only signed ones are taken',
    ],
    ['enc in a signed one', issuer.token({}, { enc: 'A256GCM' }), '401 the token is encrypted, and only signed ones are taken'],
    ['nested', issuer.token({}, { cty: 'JWT' }), '401 the token holds another token'],
    ['nested, by its long name', issuer.token({}, { cty: 'application/jwt' }), '401 the token holds another token'],
    ['padded', `${good}=`, MALFORMED],
    ['plain base64', `${head}.${body}.${proof.slice(0, -2)}+/`, MALFORMED],
    ['a space', `${head}.${body}. ${proof}`, MALFORMED],
    ['a line break', `${head}.${body}.${proof}\n`, MALFORMED],
    ['NUL', `${head}.${body}.${proof}\0`, MALFORMED],
    ['letters that look alike', `${head}.${body}.${proof.slice(0, -1)}\u0430`, MALFORMED],
    ['spare bits', `${head}.${body}.${spareBits(proof)}`, MALFORMED],
    ['a BOM', issuer.signed('\ufeff{"alg":"ES256","kid":"k1"}', JSON.stringify(claims)), MALFORMED],
    ['broken UTF-8', issuer.signed(JSON.stringify({ alg: 'ES256', kid: 'k1' }), Buffer.from('7b2261223a22ff227d', 'hex')), MALFORMED],
    ['claims that are no object', issuer.token('[1]'), MALFORMED],
    ['claims that are null', issuer.token('null'), MALFORMED],
    ['claims that are text', issuer.token('"a"'), MALFORMED],
    ['no JSON', issuer.token('{'), MALFORMED],
    ['a claim twice', issuer.token(`{"iss":"${ISSUER}","exp":1,"exp":${NOW + 60}}`), MALFORMED],
    ['a claim twice, once as an escape', issuer.token(`{"iss":"${ISSUER}","exp":1,"\\u0065xp":${NOW + 60}}`), MALFORMED],
    ['a name twice, deep inside', issuer.token(`{"iss":"${ISSUER}","exp":${NOW + 60},"a":[{"b":1,"b":2}]}`), MALFORMED],
    ['alg twice', issuer.signed('{"alg":"none","alg":"ES256","kid":"k1"}', JSON.stringify(claims)), MALFORMED],
    ['nested too deep', issuer.token(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`), MALFORMED],
    ['long', issuer.token({ a: 'x'.repeat(13_000) }), '401 the token is too long'],
    ['200 KiB', issuer.token({ a: 'x'.repeat(200_000) }), '401 the token is too long', { maxTokenBytes: 65_536 }],
    // Algorithm.
    ['none', `${base64url('{"alg":"none"}')}.${body}.`, ALGORITHM],
    ['NONE', `${base64url('{"alg":"NONE"}')}.${body}.`, ALGORITHM],
    ['none with a signature', `${base64url('{"alg":"none","kid":"k1"}')}.${body}.${proof}`, ALGORITHM],
    ['no alg', issuer.signed('{"kid":"k1"}', JSON.stringify(claims)), MALFORMED],
    ['alg that is a list', issuer.token({}, { alg: ['ES256'] }), MALFORMED],
    ['alg in small letters', issuer.token({}, { alg: 'es256' }), ALGORITHM],
    ['alg that is not taken', good, ALGORITHM, { algorithms: ['RS256'] }],
    ['HMAC with the PEM', hmac(rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string), ALGORITHM],
    ['HMAC with the DER', hmac(rsa.publicKey.export({ type: 'spki', format: 'der' })), ALGORITHM],
    ['HMAC with the JWK', hmac(JSON.stringify(rsa.jwk()), 'HS512'), ALGORITHM],
    ['HMAC with the modulus', hmac(Buffer.from(rsa.jwk()['n'] as string, 'base64url'), 'HS384'), ALGORITHM],
    ['HMAC with nothing', hmac(''), ALGORITHM],
    ['another algorithm of the key', issuer.token({}, { alg: 'ES384' }), UNKNOWN_KEY],
    ['RS256 with a key for PS256', rsa.token(), UNKNOWN_KEY, { jwks: { keys: [rsa.jwk({ alg: 'PS256' })] } }],
    ['a key of another kind', rsa.token({}, { kid: 'k1' }), UNKNOWN_KEY],
    // Extensions.
    ['crit', issuer.token({}, { crit: ['exp'], exp: 1 }), CRITICAL],
    ['an empty crit', issuer.token({}, { crit: [] }), CRITICAL],
    ['crit that is null', issuer.token({}, { crit: null }), CRITICAL],
    ['b64 false', issuer.token({}, { b64: false, crit: ['b64'] }), CRITICAL],
    ['b64 false without crit', issuer.token({}, { b64: false }), CRITICAL],
    ['b64 true', issuer.token({}, { b64: true }), CRITICAL],
    // Keys.
    ['signed by somebody else', stranger.token(), SIGNATURE],
    ['somebody else, with his key in it', stranger.token({}, { jwk: stranger.jwk() }), SIGNATURE],
    ['somebody else, with his key at a URL', stranger.token({}, { jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' }), SIGNATURE],
    ['somebody else, with his certificate', stranger.token({}, { x5c: ['MIIB'] }), SIGNATURE],
    ['no signature', `${head}.${body}.`, SIGNATURE],
    ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`, SIGNATURE],
    ['a short signature', `${head}.${body}.${Buffer.alloc(8, 1).toString('base64url')}`, SIGNATURE],
    ['DER instead of the two numbers', derSigned(), SIGNATURE],
    ['claims of another token', `${head}.${issuer.token({ sub: 'root' }).split('.')[1]}.${proof}`, SIGNATURE],
    ['kid: unknown', issuer.token({}, { kid: 'k2' }), UNKNOWN_KEY],
    ['kid: a path', issuer.token({}, { kid: '../../../../dev/null' }), UNKNOWN_KEY],
    ['kid: SQL', issuer.token({}, { kid: `k1' OR '1'='1` }), UNKNOWN_KEY],
    ['kid: a URL', issuer.token({}, { kid: 'http://127.0.0.1/key' }), UNKNOWN_KEY],
    ['kid: __proto__', issuer.token({}, { kid: '__proto__' }), UNKNOWN_KEY],
    ['kid: constructor', issuer.token({}, { kid: 'constructor' }), UNKNOWN_KEY],
    ['kid: NUL', issuer.token({}, { kid: 'k1\0' }), UNKNOWN_KEY],
    ['kid: empty', issuer.token({}, { kid: '' }), MALFORMED],
    ['kid: huge', issuer.token({}, { kid: 'k'.repeat(257) }), MALFORMED],
    ['kid: a number', issuer.token({}, { kid: 1 }), MALFORMED],
    ['kid: an object', issuer.token({}, { kid: { toString: 'k1' } }), MALFORMED],
    // Claims.
    ['no issuer', issuer.token({ iss: undefined }), '401 the issuer of the token is not known'],
    ['another issuer', issuer.token({ iss: 'https://evil.example' }), '401 the issuer of the token is not known'],
    ['an issuer with a slash', issuer.token({ iss: `${ISSUER}/` }), '401 the issuer of the token is not known'],
    ['an issuer in capitals', issuer.token({ iss: ISSUER.toUpperCase() }), '401 the issuer of the token is not known'],
    ['an issuer that is a list', issuer.token({ iss: [ISSUER] }), '401 the issuer of the token is not known'],
    ['an issuer with NUL', issuer.token({ iss: `${ISSUER}\0` }), '401 the issuer of the token is not known'],
    ['an issuer that looks alike', issuer.token({ iss: 'https://\u0456ssuer.example' }), '401 the issuer of the token is not known'],
    ['a subject with NUL', issuer.token({ sub: 'ann\0' }), '401 the subject of the token cannot be used'],
    ['a subject of two lines', issuer.token({ sub: 'ann\r\nx-admin: 1' }), '401 the subject of the token cannot be used'],
    ['a subject that is a number', issuer.token({ sub: 1 }), '401 the subject of the token cannot be used'],
    ['a subject without end', issuer.token({ sub: 'a'.repeat(1_025) }), '401 the subject of the token cannot be used'],
    ['no exp', issuer.token({ exp: undefined }), '401 the token does not say when it expires'],
    ['exp that is null', issuer.token({ exp: null }), TIME],
    ['exp 1e400', issuer.token(`{"iss":"${ISSUER}","exp":1e400}`), TIME],
    ['exp 1e300', issuer.token({ exp: 1e300 }), TIME],
    ['exp in milliseconds', issuer.token({ exp: (NOW + 60) * 1_000 }), TIME],
    ['exp that is text', issuer.token({ exp: String(NOW + 60) }), TIME],
    ['exp below zero', issuer.token({ exp: -1 }), TIME],
    ['exp that is a list', issuer.token({ exp: [NOW + 60] }), TIME],
    ['exp that is true', issuer.token({ exp: true }), TIME],
    ['expired', issuer.token({ exp: NOW - 30 }), '401 the token has expired'],
    ['expired, without leeway', issuer.token({ exp: NOW }), '401 the token has expired', { leeway: 0 }],
    ['not yet', issuer.token({ nbf: NOW + 31 }), '401 the token is not valid yet'],
    ['nbf that is text', issuer.token({ nbf: '0' }), TIME],
    ['nbf 1e400', issuer.token(`{"iss":"${ISSUER}","exp":${NOW + 60},"nbf":1e400}`), TIME],
    ['issued later', issuer.token({ iat: NOW + 31 }), '401 the token is not valid yet'],
    ['iat that is text', issuer.token({ iat: 'now' }), TIME],
    ['no audience', good, '403 the token is meant for another audience', { audiences: ['web'] }],
    ['another audience', issuer.token({ aud: 'other' }), '403 the token is meant for another audience', { audiences: ['web'] }],
    [
      'an audience that contains ours',
      issuer.token({ aud: 'web2' }),
      '403 the token is meant for another audience',
      { audiences: ['web'] },
    ],
    ['other audiences', issuer.token({ aud: ['a', 'b'] }), '403 the token is meant for another audience', { audiences: ['web'] }],
    [
      'an audience that is an object',
      issuer.token({ aud: { web: 1 } }),
      '403 the token is meant for another audience',
      { audiences: ['web'] },
    ],
    [
      'audiences that are no texts',
      issuer.token({ aud: ['web', 1] }),
      '403 the token is meant for another audience',
      { audiences: ['web'] },
    ],
  ])('%s', async (_, token, expected, provider) => {
    const under = gateOf(provider)
    const call = bearing(token)
    expect(await verdict(under, call)).toBe(expected)
    expect(await verdict(under, call)).toBe(expected)
    expect(call.requestPrincipal).toBe(undefined)
  })

  it.each<[string, string, Partial<TokenProviderOptions>?]>([
    ['within the leeway after exp', issuer.token({ exp: NOW - 29 })],
    ['within the leeway before nbf', issuer.token({ nbf: NOW + 29 })],
    ['within the leeway before iat', issuer.token({ iat: NOW + 29 })],
    ['a fraction of a second', issuer.token({ exp: NOW + 0.5 }), { leeway: 0 }],
    ['one of several audiences', issuer.token({ aud: ['a', 'web'] }), { audiences: ['web', 'shop'] }],
    ['an audience that nobody asked for', issuer.token({ aud: 'other' })],
    ['a type', issuer.token({}, { typ: 'at+jwt' })],
    ['no kid', issuer.token({}, { kid: undefined })],
    ['a key without a name', issuer.token(), { jwks: { keys: [issuer.jwk({ kid: undefined })] } }],
    ['a key that is meant for this algorithm', issuer.token(), { jwks: { keys: [issuer.jwk({ alg: 'ES256', key_ops: ['verify'] })] } }],
    ['unicode', issuer.token({ sub: 'Łukasz 🚀', name: '\u202e' })],
    ['16 KiB', issuer.token({ a: 'x'.repeat(12_000) })],
  ])('but not: %s', async (_, token, provider) => expect(await verdict(gateOf(provider), bearing(token))).toBe('ok'))

  it('without a kid when there are more keys than guessing is worth', async () => {
    const keys = Array.from({ length: 5 }, (_, index) => new TokenIssuer('ES256', `k${index}`).jwk())
    const jwks = { keys: [...keys.slice(1), issuer.jwk({ kid: 'k9' })] }
    expect(await verdict(gateOf({ jwks }), bearing(issuer.token({}, { kid: undefined })))).toBe(UNKNOWN_KEY)
    expect(await verdict(gateOf({ jwks: { keys: jwks.keys.slice(1) } }), bearing(issuer.token({}, { kid: undefined })))).toBe('ok')
  })

  it('and neither the token nor a key stands in what is told', async () => {
    const under = gateOf()
    for (const token of [stranger.token(), issuer.token({ sub: 'secret\0' }), 'opaque-secret', `${good}x`]) {
      const answer = await under.gate.admit(bearing(token))
      const told = JSON.stringify([answer, under.gate.stats(), under.told])
      for (const part of [token, ...token.split('.'), 'secret', issuer.jwk()['x'] as string]) expect(told).not.toContain(part)
    }
  })
})

/** The same bytes with other spare bits in the last character. */
function spareBits(part: string): string {
  const other = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].find(
    (last) => part.at(-1) !== last && Buffer.from(part.slice(0, -1) + last, 'base64url').equals(Buffer.from(part, 'base64url')),
  )
  return part.slice(0, -1) + (other as string)
}

function derSigned(): string {
  const raw = Buffer.from(proof, 'base64url')
  const number = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([2, bytes.length + 1, 0]), bytes])
  const both = Buffer.concat([number(raw.subarray(0, 32)), number(raw.subarray(32))])
  return `${head}.${body}.${Buffer.concat([Buffer.from([0x30, both.length]), both]).toString('base64url')}`
}

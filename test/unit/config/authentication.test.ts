import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import type { TokenProviderOptions } from '../../../src/model/authentication.ts'
import { checkedAuthentication, ISSUER, TokenIssuer } from '../../support/tokens.ts'

const issuer = new TokenIssuer()
const jwks = issuer.keySet()
const privateJwk = issuer.privateKey.export({ format: 'jwk' })
const rsa = (modulusLength: number, publicExponent?: number): Record<string, unknown> => ({
  ...generateKeyPairSync('rsa', { modulusLength, ...(publicExponent !== undefined && { publicExponent }) }).publicKey.export({
    format: 'jwk',
  }),
})

function problems(authentication: unknown): string[] {
  try {
    parseMeshOptions({ inbound: { authentication } })
    return []
  } catch (error) {
    return (error as { cause: { problems: string[] } }).cause.problems.map((problem) => problem.replace('inbound.authentication', '…'))
  }
}

const provider = (more: object = {}): object => ({ providers: { a: { issuer: ISSUER, jwks, ...more } } })

describe('inbound.authentication', () => {
  it('is checked, completed and copied', () => {
    const from: TokenProviderOptions['from'] = [{ header: 'X-Token' }, { cookie: 'token' }, { query: 'access_token' }]
    const settings = checkedAuthentication({
      providers: {
        a: { issuer: ISSUER, jwks: JSON.stringify(jwks) },
        b: {
          issuer: 'https://b.example/',
          audiences: ['web'],
          jwks: { url: 'https://b.example/jwks', refresh: '10m', keepFor: '1h', timeout: '1s' },
          algorithms: ['RS256'],
          from,
          leeway: 0,
          claimsToHeaders: [{ header: 'X-User', claim: 'sub' }],
          payloadHeader: 'X-Payload',
          forward: true,
          maxTokenBytes: 1_000,
        },
      },
      require: [{ paths: ['/public/*', '/a/../healthz'], hosts: ['*.Example.com.', 'a.b'], methods: ['get'], require: { any: ['b'] } }],
    })
    expect(settings.providers).toMatchObject([
      {
        name: 'a',
        issuer: ISSUER,
        audiences: undefined,
        keys: jwks,
        from: [{ kind: 'header', name: 'authorization', prefix: 'Bearer ' }],
        leewayMs: 30_000,
        claimHeaders: [],
        forward: false,
        maxTokenBytes: 16_384,
      },
      {
        name: 'b',
        audiences: ['web'],
        keys: { url: 'https://b.example/jwks', refreshMs: 600_000, keepForMs: 3_600_000, timeoutMs: 1_000 },
        algorithms: ['RS256'],
        from: [
          { kind: 'header', name: 'x-token', prefix: '' },
          { kind: 'cookie', name: 'token' },
          { kind: 'query', name: 'access_token' },
        ],
        leewayMs: 0,
        claimHeaders: [{ header: 'x-user', claim: 'sub' }],
        payloadHeader: 'x-payload',
        forward: true,
        maxTokenBytes: 1_000,
      },
    ])
    expect(settings.rules).toEqual([
      {
        paths: [
          { path: '/public/', below: true },
          { path: '/healthz', below: false },
        ],
        hosts: [
          { host: '.example.com', below: true },
          { host: 'a.b', below: false },
        ],
        methods: ['GET'],
        require: { how: 'any', providers: ['b'] },
      },
    ])
    expect(settings.otherwise).toEqual({ how: 'any', providers: ['a', 'b'] })
  })

  it.each<[string, unknown, string[]]>([
    ['nothing', {}, ['….providers: expected an object, got undefined']],
    ['no provider', { providers: {} }, ['….providers: expected at least one']],
    [
      'a provider of nothing',
      { providers: { a: {} } },
      [
        '….providers.a.issuer: expected text of 1 to 1024 characters without control characters, got undefined',
        '….providers.a.jwks: expected { url: … }, a key set { keys: [ … ] } or its JSON text, got undefined',
      ],
    ],
    ['a misspelt key', provider({ audience: ['a'] }), ['….providers.a.audience: unknown key, did you mean "audiences"?']],
    ['no audience', provider({ audiences: [] }), ['….providers.a.audiences: expected at least one']],
    [
      'none',
      provider({ algorithms: ['none'] }),
      ['….providers.a.algorithms[0]: expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, got "none"'],
    ],
    ['HMAC', provider({ algorithms: ['HS256'] }), [expect.stringContaining('got "HS256"') as unknown as string]],
    ['a long leeway', provider({ leeway: '61s' }), ['….providers.a.leeway: expected at most 60s: clocks that differ by more are broken']],
    [
      'a token of a megabyte',
      provider({ maxTokenBytes: 1e6 }),
      ['….providers.a.maxTokenBytes: expected an integer from 256 to 65536, got 1000000'],
    ],
    [
      'keys over http',
      provider({ jwks: { url: 'http://a.example/' } }),
      [
        '….providers.a.jwks.url: expected https: over http anybody on the way can hand out keys of his own (allowHttp takes it all the same)',
      ],
    ],
    ['keys over http, on purpose', provider({ jwks: { url: 'http://a.example/', allowHttp: true } }), []],
    [
      'keys from a file',
      provider({ jwks: { url: 'file:///etc/keys' } }),
      ['….providers.a.jwks.url: expected an https URL without credentials, got "file:///etc/keys"'],
    ],
    [
      'a long wait',
      provider({ jwks: { url: 'https://a.example/', timeout: '2m' } }),
      ['….providers.a.jwks.timeout: expected at most 60s: requests wait for it'],
    ],
    [
      'text that is no JSON',
      provider({ jwks: '{"keys": S3CRET' }),
      ['….providers.a.jwks: expected { url: … }, a key set { keys: [ … ] } or its JSON text, got text'],
    ],
    ['no key', provider({ jwks: { keys: [] } }), ['….providers.a.jwks.keys: expected at least one key that checks signatures']],
    [
      'a key for encryption',
      provider({ jwks: { keys: [issuer.jwk({ use: 'enc' })] } }),
      ['….providers.a.jwks.keys: expected at least one key that checks signatures'],
    ],
    [
      'a private key',
      provider({ jwks: { keys: [{ ...privateJwk }] } }),
      ['….providers.a.jwks.keys[0]: a private key has no place in a key set that others read'],
    ],
    [
      'a secret key',
      provider({ jwks: JSON.stringify({ keys: [issuer.jwk(), { kty: 'oct', k: 'S3CRET' }] }) }),
      ['….providers.a.jwks.keys[1]: a secret key can make tokens as well: only public keys are taken'],
    ],
    [
      'a short RSA key',
      provider({ jwks: { keys: [rsa(1_024)] } }),
      ['….providers.a.jwks.keys[0]: an RSA key of 2048 to 8192 bits is expected'],
    ],
    [
      'a short RSA key that looks long',
      provider({ jwks: { keys: [{ ...rsa(1_024), n: 'AAAA'.repeat(64) + rsa(1_024)['n'] }] } }),
      ['….providers.a.jwks.keys[0]: an RSA key of 2048 to 8192 bits is expected'],
    ],
    [
      'an exponent of one',
      provider({ jwks: { keys: [{ ...rsa(2_048), e: 'AQ' }] } }),
      ['….providers.a.jwks.keys[0]: e: expected an odd number from 3 to 2^32'],
    ],
    [
      'a huge exponent',
      provider({ jwks: { keys: [{ ...rsa(2_048), e: `${'_'.repeat(100)}w` }] } }),
      [expect.stringMatching(/keys\[0\]: (?:e: expected|no public key)/) as unknown as string],
    ],
    [
      'a point that is on no curve',
      provider({ jwks: { keys: [issuer.jwk({ x: Buffer.alloc(32, 7).toString('base64url') })] } }),
      ['….providers.a.jwks.keys[0]: no public key can be read from it'],
    ],
    [
      'half a point',
      provider({ jwks: { keys: [issuer.jwk({ y: undefined })] } }),
      ['….providers.a.jwks.keys[0]: y: expected base64url of 32 bytes'],
    ],
    [
      'another curve',
      provider({ jwks: { keys: [issuer.jwk({ crv: 'secp256k1' })] } }),
      ['….providers.a.jwks.keys[0]: a key of type RSA, EC (P-256, P-384, P-521) or OKP (Ed25519) is expected'],
    ],
    [
      'a name for a key that is a number',
      provider({ jwks: { keys: [issuer.jwk({ kid: 1 })] } }),
      ['….providers.a.jwks.keys[0]: kid: expected text of at most 256 characters'],
    ],
    [
      'two places in one',
      provider({ from: [{ header: 'a', cookie: 'b' }] }),
      ['….providers.a.from[0]: expected one of header, cookie, query'],
    ],
    ['a prefix of a cookie', provider({ from: [{ cookie: 'b', prefix: 'x' }] }), ['….providers.a.from[0].prefix: goes with header']],
    ['no place', provider({ from: [] }), ['….providers.a.from: expected at least one']],
    [
      'a claim as Host',
      provider({ claimsToHeaders: [{ header: 'Host', claim: 'sub' }] }),
      ['….providers.a.claimsToHeaders[0].header: expected the name of a header that a claim may be written to, got "Host"'],
    ],
    [
      'a claim as Authorization',
      provider({ payloadHeader: 'Authorization' }),
      ['….providers.a.payloadHeader: expected the name of a header that a claim may be written to, got "Authorization"'],
    ],
    [
      'a claim where tokens are',
      provider({ from: [{ header: 'x-token' }], claimsToHeaders: [{ header: 'X-Token', claim: 'sub' }] }),
      ['….providers.a.claimsToHeaders[0].header: is where tokens are looked for'],
    ],
    [
      'two claims in one header',
      provider({
        claimsToHeaders: [
          { header: 'X-A', claim: 'sub' },
          { header: 'x-a', claim: 'iss' },
        ],
      }),
      ['….providers.a.claimsToHeaders[1].header: two claims are written to one header'],
    ],
    [
      'one issuer twice',
      { providers: { a: { issuer: ISSUER, jwks }, b: { issuer: ISSUER, jwks } } },
      ['….providers.b.issuer: is the issuer of a as well'],
    ],
    [
      'issuers whose subjects look alike',
      { providers: { a: { issuer: ISSUER, jwks }, b: { issuer: `${ISSUER}/b`, jwks } } },
      ['….providers.b.issuer: subjects of it and of a could not be told apart: one issuer is the beginning of the other'],
    ],
    [
      'a requirement that is none',
      { ...provider(), require: 'some' },
      ['….require: expected any, all, optional, { any: [ … ] } or { all: [ … ] }, got text'],
    ],
    ['a provider that is none', { ...provider(), require: { any: ['b'] } }, ['….require.any[0]: names no provider']],
    ['both', { ...provider(), require: { any: ['a'], all: ['a'] } }, ['….require: expected one of any, all']],
    [
      'a rule without a requirement',
      { ...provider(), require: [{ paths: ['/'] }] },
      ['….require[0].require: expected any, all, optional, { any: [ … ] } or { all: [ … ] }, got undefined'],
    ],
    [
      'a rule for a provider that is none',
      { ...provider(), require: [{ require: { all: ['b'] } }] },
      ['….require[0].require.all[0]: names no provider'],
    ],
    [
      'a path with a star inside',
      { ...provider(), require: [{ paths: ['/a*', 'b', '/*/c', '/?'], require: 'any' }] },
      [0, 1, 2, 3].map((at) => expect.stringContaining(`….require[0].paths[${at}]: expected a path`) as unknown as string),
    ],
    ['a realm of two lines', { ...provider(), realm: 'a\r\nb' }, [expect.stringContaining('….realm: expected') as unknown as string]],
  ])('%s', (_, authentication, expected) => {
    expect(problems(authentication)).toEqual(expected)
    expect(problems(authentication).join()).not.toContain('S3CRET')
  })

  it('never prints a private key', () => {
    const { d } = privateJwk
    for (const keys of [[privateJwk], [{ ...privateJwk, kty: 'x' }], [{ d }]])
      for (const written of [{ keys }, JSON.stringify({ keys }), JSON.stringify(keys)])
        expect(problems(provider({ jwks: written })).join()).not.toContain(d)
  })
})

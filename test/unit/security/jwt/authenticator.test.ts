import { describe, expect, it } from 'vitest'
import type { AuthenticationOptions, TokenProviderOptions } from '../../../../src/model/authentication.ts'
import type { InboundCall } from '../../../../src/model/inbound-call.ts'
import { type InboundCallOptions, inboundCall } from '../../../support/inbound-call.ts'
import { authenticator, base64url, ISSUER, NOW, TokenIssuer } from '../../../support/tokens.ts'

const one = new TokenIssuer('ES256', 'k1')
const two = new TokenIssuer('EdDSA', 'k2')
const OTHER = 'https://other.example'
const first = one.token()
const second = two.token({ iss: OTHER, sub: 'bob' })
const wrong = two.token({ iss: OTHER }).replace(/.{4}$/, 'AAAA')

const providers = (a: Partial<TokenProviderOptions> = {}, b: Partial<TokenProviderOptions> = {}): AuthenticationOptions['providers'] => ({
  a: { issuer: ISSUER, jwks: one.keySet(), ...a },
  b: { issuer: OTHER, jwks: two.keySet(), ...b },
})

async function ask(options: AuthenticationOptions, ...calls: (InboundCallOptions | InboundCall)[]): Promise<string[]> {
  const { gate } = authenticator(options)
  const seen: string[] = []
  for (const each of calls) {
    const call = 'values' in each ? each : inboundCall(each)
    const answer = await gate.admit(call)
    seen.push(answer.refused === true ? `${answer.status} ${answer.reason}` : (call.requestPrincipal?.subject ?? 'nobody'))
  }
  return seen
}

const MISSING = '401 a token is required, and none came with the request'
const OTHER_PROVIDER = '401 the token is not of a provider that is required here'
const SEVERAL = '401 more than one token came where one is expected'
const SIGNATURE = '401 the signature of the token is wrong'
const ISSUER_UNKNOWN = '401 the issuer of the token is not known'
const MALFORMED = '401 the token is not a signed JWT in compact form'

const bearer = (token: string): InboundCallOptions => ({ headers: { authorization: `Bearer ${token}` } })

describe('what is required', () => {
  const none = inboundCall
  const [a, b, bad] = [bearer(first), bearer(second), bearer(wrong)]
  it.each<[string, AuthenticationOptions['require'], string[]]>([
    ['nothing said: any', undefined, [MISSING, 'ann', 'bob', SIGNATURE]],
    ['any', 'any', [MISSING, 'ann', 'bob', SIGNATURE]],
    ['optional, where what is wrong is refused all the same', 'optional', ['nobody', 'ann', 'bob', SIGNATURE]],
    ['all', 'all', [MISSING, OTHER_PROVIDER, OTHER_PROVIDER, SIGNATURE]],
    ['one by name', { any: ['b'] }, [MISSING, OTHER_PROVIDER, 'bob', SIGNATURE]],
    ['all of one', { all: ['a'] }, [MISSING, 'ann', OTHER_PROVIDER, SIGNATURE]],
    ['rules of which none matches', [{ paths: ['/x'], require: 'optional' }], [MISSING, 'ann', 'bob', SIGNATURE]],
    ['a rule for everything', [{ require: 'optional' }], ['nobody', 'ann', 'bob', SIGNATURE]],
  ])('%s', async (_, require, expected) => {
    const options = { providers: providers(), ...(require !== undefined && { require }) }
    expect(await ask(options, none(), a, b, bad)).toEqual(expected)
  })

  it.each<[InboundCallOptions, boolean]>([
    [{ pathname: '/healthz' }, false],
    [{ pathname: '/healthz/' }, true],
    [{ pathname: '/healthz2' }, true],
    [{ pathname: '/public/a' }, false],
    [{ pathname: '/public/' }, false],
    [{ pathname: '/public' }, true],
    [{ pathname: '/publicity' }, true],
    [{ pathname: '/public/private' }, true],
    [{ pathname: '/api', method: 'OPTIONS' }, false],
    [{ pathname: '/api', method: 'GET' }, true],
    [{ pathname: '/', hostname: 'open.example.com' }, false],
    [{ pathname: '/', hostname: 'a.open.example.com' }, true],
    [{ pathname: '/', hostname: 'a.free.example.com' }, false],
    [{ pathname: '/', hostname: 'free.example.com' }, true],
    [{ pathname: '/', hostname: 'evilfree.example.com' }, true],
  ])('rules in their order: %o needs a token: %s', async (call, needs) => {
    const require: AuthenticationOptions['require'] = [
      { paths: ['/public/private'], require: 'any' },
      { paths: ['/healthz', '/public/*'], require: 'optional' },
      { methods: ['options'], require: 'optional' },
      { hosts: ['open.example.com', '*.free.example.com'], require: 'optional' },
    ]
    expect(await ask({ providers: providers(), require }, inboundCall(call))).toEqual([needs ? MISSING : 'nobody'])
  })
})

describe('an application that matches paths without case', () => {
  it.each<[string, string, boolean]>([
    ['/admin/x', '/admin/x', true],
    ['/ADMIN/x', '/admin/x', true],
    ['/ADMIN/%78', '/admin/x', true],
    ['/status', '/status', false],
    ['/Status', '/status', true],
    ['/other', '/other', true],
  ])('%s, which it takes for %s, needs a token: %s', async (pathname, loosePathname, needs) => {
    const require: AuthenticationOptions['require'] = [
      { paths: ['/Admin/*'], require: { any: ['b'] } },
      { paths: ['/status'], require: 'optional' },
    ]
    const call = (headers: Record<string, string>): InboundCall => inboundCall({ pathname, loosePathname, headers })
    const [without, with_] = await ask({ providers: providers(), require }, call({}), call({ authorization: `Bearer ${first}` }))
    expect(without).toBe(needs ? MISSING : 'nobody')
    expect(with_).toBe(loosePathname === '/admin/x' ? OTHER_PROVIDER : 'ann')
  })
})

describe('where tokens are', () => {
  const from = (...places: TokenProviderOptions['from'] & object): AuthenticationOptions => ({ providers: providers({ from: places }) })
  it.each<[string, AuthenticationOptions, InboundCallOptions, string]>([
    [
      'a scheme in any case',
      from({ header: 'authorization', prefix: 'Bearer ' }),
      { headers: { authorization: `bEARER ${first}` } },
      'ann',
    ],
    ['other credentials', { providers: providers() }, { headers: { authorization: 'Basic YTpi' } }, MISSING],
    ['the scheme alone', { providers: providers() }, { headers: { authorization: 'Bearer' } }, MALFORMED],
    ['the scheme and a space', { providers: providers() }, { headers: { authorization: 'Bearer ' } }, MALFORMED],
    ['two spaces', { providers: providers() }, { headers: { authorization: `Bearer  ${first}` } }, MALFORMED],
    ['a scheme that begins so', { providers: providers() }, { headers: { authorization: `BearerX ${first}` } }, MISSING],
    ['an empty header', { providers: providers() }, { headers: { authorization: '' } }, MISSING],
    ['two headers', { providers: providers() }, { headers: { authorization: [`Bearer ${first}`, `Bearer ${second}`] } }, SEVERAL],
    ['the same twice', { providers: providers() }, { headers: { authorization: [`Bearer ${first}`, `Bearer ${first}`] } }, SEVERAL],
    [
      'a token and other credentials',
      { providers: providers() },
      { headers: { authorization: ['Basic YTpi', `Bearer ${first}`] } },
      SEVERAL,
    ],
    ['other credentials of several parts', { providers: providers() }, { headers: { authorization: ['Digest a="b"', 'c="d"'] } }, MISSING],
    ['a header of its own', from({ header: 'X-Token' }), { headers: { 'x-token': first } }, 'ann'],
    ['a header of its own, empty', from({ header: 'X-Token' }), { headers: { 'x-token': '' } }, MALFORMED],
    ['a cookie', from({ cookie: 'token' }), { headers: { cookie: `a=1; token=${first}; b=2` } }, 'ann'],
    ['a cookie in quotes', from({ cookie: 'token' }), { headers: { cookie: `token="${first}"` } }, 'ann'],
    ['a cookie with a name that ends so', from({ cookie: 'token' }), { headers: { cookie: `x-token=${first}` } }, MISSING],
    ['a cookie in capitals', from({ cookie: 'token' }), { headers: { cookie: `TOKEN=${first}` } }, MISSING],
    ['a cookie twice', from({ cookie: 'token' }), { headers: { cookie: `token=${first}; token=${second}` } }, SEVERAL],
    ['cookies in two headers', from({ cookie: 'token' }), { headers: { cookie: ['a=1', `token=${first}`] } }, 'ann'],
    ['no cookie', from({ cookie: 'token' }), { headers: { cookie: 'token' } }, MISSING],
    ['the query', from({ query: 'access_token' }), { path: `/?a=1&access_token=${first}` }, 'ann'],
    ['the query, escaped', from({ query: 'access_token' }), { path: `/?%61ccess_token=${first.replace('.', '%2E')}` }, 'ann'],
    ['the query twice', from({ query: 'access_token' }), { path: `/?access_token=${first}&%61ccess_token=${second}` }, SEVERAL],
    ['the query, broken', from({ query: 'access_token' }), { path: '/?access_token=%zz' }, MALFORMED],
    ['the query without a value', from({ query: 'access_token' }), { path: '/?access_token' }, MALFORMED],
    ['the header, when only the query is looked at', from({ query: 'access_token' }), bearer(first), ISSUER_UNKNOWN],
    ['the cookie of another provider', from({ header: 'x-a' }), { headers: { 'x-a': second } }, ISSUER_UNKNOWN],
  ])('%s', async (_, options, call, expected) => expect(await ask(options, call)).toEqual([expected]))
})

describe('several tokens', () => {
  const options: AuthenticationOptions = {
    providers: providers({ from: [{ header: 'x-a' }, { cookie: 'a' }] }, { from: [{ header: 'x-b' }] }),
    require: 'all',
  }
  const call = (headers: Record<string, string>): InboundCall => inboundCall({ headers })
  it.each<[string, Record<string, string>, string]>([
    ['of all providers: the first one speaks for the caller', { 'x-b': second, 'x-a': first }, 'ann'],
    ['of one where all are required', { 'x-b': second }, OTHER_PROVIDER],
    ['one of them wrong', { 'x-a': first, 'x-b': wrong }, SIGNATURE],
    ['the same one in two places', { 'x-a': first, cookie: `a=${first}`, 'x-b': second }, 'ann'],
    ['two of one provider', { 'x-a': first, cookie: `a=${one.token({ sub: 'eve' })}`, 'x-b': second }, SEVERAL],
    ['one where the other belongs', { 'x-a': second, 'x-b': second }, ISSUER_UNKNOWN],
  ])('%s', async (_, headers, expected) => expect(await ask(options, call(headers), call(headers))).toEqual([expected, expected]))
})

describe('one token in two roles', () => {
  const apart = providers({ from: [{ header: 'x-a' }] }, { from: [{ header: 'x-b' }] })
  it('that is known is no better where tokens of its issuer do not belong', async () => {
    const { gate } = authenticator({ providers: apart })
    const at = (header: string): Promise<unknown> => Promise.resolve(gate.admit(inboundCall({ headers: { [header]: first } })))
    expect(await at('x-a')).not.toHaveProperty('refused', true)
    expect(await at('x-b')).toMatchObject({ refused: true, reason: ISSUER_UNKNOWN.slice(4) })
    expect(await at('x-a')).not.toHaveProperty('refused', true)
  })

  it('each provider says how long its tokens may be, also where they share a place', async () => {
    const [a, b] = [one.token({ x: 'x'.repeat(400) }), two.token({ iss: OTHER, sub: 'bob', x: 'x'.repeat(400) })]
    const options = { providers: providers({}, { maxTokenBytes: 300 }) }
    expect(await ask(options, bearer(a), bearer(b), bearer(second))).toEqual(['ann', '401 the token is too long', 'bob'])
  })
})

describe('what the application gets', () => {
  const claims = {
    email: 'ann@example.com',
    level: 3,
    admin: false,
    roles: ['a', 'b,c'],
    address: { country: 'PL' },
    'https://example.com/tenant': 't1',
    split: 'a\r\nx-evil: 1',
    name: 'Łukasz',
    empty: '',
    none: null,
  }
  const header = (claim: string): { header: string; claim: string } => ({ header: `X-${claim.replace(/\W+/g, '-')}`, claim })
  const provider: Partial<TokenProviderOptions> = {
    claimsToHeaders: [...Object.keys(claims), 'address.country', 'missing', 'address.missing', '__proto__.x', 'sub.length'].map(header),
    payloadHeader: 'x-payload',
  }

  it('are claims as headers, as far as headers can carry them; the token is taken out', async () => {
    const { gate } = authenticator({ providers: providers(provider) })
    const token = one.token(claims)
    const call = inboundCall(bearer(token))
    await gate.admit(call)
    expect(gate.editsFor(call)).toEqual({
      removeHeaders: ['authorization'],
      removeCookies: [],
      removeQuery: [],
      setHeaders: [
        ['x-email', 'ann@example.com'],
        ['x-level', '3'],
        ['x-admin', 'false'],
        ['x-roles', base64url('["a","b,c"]')],
        ['x-address', base64url('{"country":"PL"}')],
        ['x-https-example-com-tenant', 't1'],
        ['x-address-country', 'PL'],
        ['x-payload', token.split('.')[1]],
      ],
    })
    expect(gate.editsFor(call)).toBe(gate.editsFor(call))
  })

  it('and what claims are written to is named for removal from every request, with a token or without', () => {
    const { gate } = authenticator({
      providers: providers(provider, {
        claimsToHeaders: [
          { header: 'X-Email', claim: 'sub' },
          { header: 'X-Only-B', claim: 'sub' },
        ],
      }),
    })
    expect(gate.strippedHeaders).toEqual(expect.arrayContaining(['x-email', 'x-payload', 'x-missing', 'x-only-b']))
    expect(new Set(gate.strippedHeaders).size).toBe(gate.strippedHeaders.length)
    const call = inboundCall()
    gate.admit(call)
    expect(gate.editsFor(call)).toBe(undefined)
  })

  it('is the token too when it is to be forwarded', async () => {
    const { gate } = authenticator({ providers: providers({ forward: true }, { forward: true, claimsToHeaders: [header('sub')] }) })
    const [a, b] = [inboundCall(bearer(first)), inboundCall(bearer(second))]
    await gate.admit(a)
    await gate.admit(b)
    expect(gate.editsFor(a)).toBe(undefined)
    expect(gate.editsFor(b)).toMatchObject({ removeHeaders: [], setHeaders: [['x-sub', 'bob']] })
  })

  it('loses the token where it was, and nothing that only could have been one', async () => {
    const from: TokenProviderOptions['from'] = [{ header: 'authorization', prefix: 'Bearer ' }, { cookie: 'token' }, { query: 't' }]
    const { gate } = authenticator({ providers: providers({ from }) })
    const edits = async (call: InboundCall): Promise<unknown> => {
      await gate.admit(call)
      return gate.editsFor(call)
    }
    const none = { removeHeaders: [], removeCookies: [], removeQuery: [], setHeaders: [] }
    const basic = { authorization: 'Basic YTpi' }
    expect(await edits(inboundCall({ headers: { ...basic, cookie: `token=${first}` } }))).toEqual({ ...none, removeCookies: ['token'] })
    expect(await edits(inboundCall({ headers: basic, path: `/?t=${first}` }))).toEqual({ ...none, removeQuery: ['t'] })
    expect(await edits(inboundCall({ headers: { authorization: `Bearer ${first}`, cookie: `token=${first}` } }))).toEqual({
      ...none,
      removeHeaders: ['authorization'],
      removeCookies: ['token'],
    })
  })

  it('of several tokens is what each of them gives', async () => {
    const { gate } = authenticator({
      providers: providers(
        { from: [{ header: 'x-a' }], claimsToHeaders: [{ header: 'x-a-sub', claim: 'sub' }] },
        { from: [{ header: 'x-b' }], claimsToHeaders: [{ header: 'x-b-sub', claim: 'sub' }], forward: true },
      ),
    })
    const call = inboundCall({ headers: { 'x-a': first, 'x-b': second } })
    await gate.admit(call)
    expect(gate.editsFor(call)).toMatchObject({
      removeHeaders: ['x-a'],
      setHeaders: [
        ['x-a-sub', 'ann'],
        ['x-b-sub', 'bob'],
      ],
    })
  })
})

describe('what a client is told', () => {
  it.each<[string, AuthenticationOptions, InboundCallOptions, string | undefined]>([
    ['that a token is needed', { providers: providers() }, {}, 'Bearer realm="web"'],
    [
      'that the token is wrong',
      { providers: providers(), realm: 'a "realm"' },
      bearer(wrong),
      'Bearer realm="a \\"realm\\"", error="invalid_token"',
    ],
    [
      'that it is meant for others',
      { providers: providers({ audiences: ['web'] }) },
      bearer(first),
      'Bearer realm="web", error="invalid_token"',
    ],
    [
      'that it has expired, which he can mend',
      { providers: providers() },
      bearer(one.token({ exp: NOW - 60 })),
      'Bearer realm="web", error="invalid_token", error_description="the token has expired"',
    ],
  ])('%s', async (_, options, call, challenge) => {
    const { gate } = authenticator(options)
    expect(await gate.admit(inboundCall(call))).toMatchObject({ refused: true, challenge, from: 'options/inbound#authentication' })
  })
})

describe('a flood', () => {
  it('of bad tokens throws out nobody who is proved', async () => {
    const { gate } = authenticator({ providers: providers() })
    await gate.admit(inboundCall(bearer(first)))
    const tail = first.slice(-32)
    for (let at = 0; at < 20_000; at++) gate.admit(inboundCall(bearer(`${at}${tail}`)))
    expect(gate.admit(inboundCall(bearer(first)))).not.toBeInstanceOf(Promise)
    expect(gate.stats()).toMatchObject({ admitted: 2, refused: 20_000 })
  })

  it('of one token is proved once', async () => {
    const { gate } = authenticator({ providers: providers() })
    const calls = Array.from({ length: 100 }, () => inboundCall(bearer(one.token({ exp: NOW + 9 }))))
    const same = one.token()
    const answers = await Promise.all(Array.from({ length: 100 }, () => gate.admit(inboundCall(bearer(same)))))
    expect(answers.every(({ refused }) => refused !== true)).toBe(true)
    const distinct = await Promise.all(calls.map((call) => gate.admit(call)))
    expect(distinct.every(({ refused }) => refused !== true)).toBe(true)
    expect(gate.stats()).toMatchObject({ admitted: 200, cached: 0 })
  })

  it('of one bad token costs one signature', async () => {
    const { gate } = authenticator({ providers: providers() })
    expect(gate.admit(inboundCall(bearer(wrong)))).toBeInstanceOf(Promise)
    await gate.admit(inboundCall(bearer(wrong)))
    expect(gate.admit(inboundCall(bearer(wrong)))).toMatchObject({ refused: true })
  })
})

import * as v from 'valibot'
import type {
  AuthenticationSettings,
  TokenAlgorithm,
  TokenPlace,
  TokenProviderSettings,
  TokenRequirement,
  TokenRule,
} from '../../model/authentication.ts'
import { checked, duration, type Fields, integer, listOf, mapOf, oneOf, type Report, record, text } from './blocks.ts'
import { jwks } from './token-keys.ts'
import { type Requirement, requirements, some } from './token-rules.ts'

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const satisfies readonly TokenAlgorithm[]

/** What carries a request itself, or proves who sends it: a claim in its place would change what the request is. */
const RESERVED_HEADERS =
  /^(?:host|authorization|proxy-authorization|connection|content-length|transfer-encoding|upgrade|te|trailer|keep-alive|expect|cookie|x-forwarded-.*)$/

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/

const headerName = checked('the name of a header', (input) =>
  typeof input === 'string' && TOKEN.test(input) ? input.toLowerCase() : undefined,
)

const writtenHeader = checked('the name of a header that a claim may be written to', (input) =>
  typeof input === 'string' && TOKEN.test(input) && !RESERVED_HEADERS.test(input.toLowerCase()) ? input.toLowerCase() : undefined,
)

const flag = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

const place = v.pipe(
  record(
    {
      header: v.optional(headerName),
      prefix: v.optional(
        checked('text of 1 to 64 characters', (input) =>
          typeof input === 'string' && /^[\x20-\x7e]{1,64}$/.test(input) ? input : undefined,
        ),
      ),
      cookie: v.optional(checked('the name of a cookie', (input) => (typeof input === 'string' && TOKEN.test(input) ? input : undefined))),
      query: v.optional(text(256)),
    },
    [],
    ({ header, prefix, cookie, query }, report) => {
      if ([header, cookie, query].filter((each) => each !== undefined).length !== 1) report([], 'expected one of header, cookie, query')
      else if (prefix !== undefined && header === undefined) report(['prefix'], 'goes with header')
    },
  ),
  v.transform(({ header, prefix = '', cookie, query }): TokenPlace => {
    if (header !== undefined) return { kind: 'header', name: header, prefix }
    return cookie === undefined ? { kind: 'query', name: query as string } : { kind: 'cookie', name: cookie }
  }),
)

const BEARER = Object.freeze({ header: 'authorization', prefix: 'Bearer ' })

const providerEntries = {
  issuer: text(1_024),
  audiences: v.optional(some('audiences', text(1_024))),
  jwks,
  algorithms: v.optional(some('algorithms', oneOf(ALGORITHMS)), [...ALGORITHMS]),
  from: v.optional(some('places', place), [BEARER]),
  leeway: v.optional(duration({ zero: true }), 30_000),
  claimsToHeaders: v.optional(listOf('claims', record({ header: writtenHeader, claim: text(256) })), []),
  payloadHeader: v.optional(writtenHeader),
  forward: v.optional(flag, false),
  maxTokenBytes: v.optional(integer(256, 65_536), 16_384),
}

const provider = record(providerEntries, [], ({ leeway, claimsToHeaders = [], payloadHeader }, report) => {
  if (leeway !== undefined && leeway > MAX_LEEWAY_MS) report(['leeway'], 'expected at most 60s: clocks that differ by more are broken')
  const names = new Set<string>(payloadHeader === undefined ? [] : [payloadHeader])
  for (const [index, { header }] of claimsToHeaders.entries()) {
    if (names.has(header)) report(['claimsToHeaders', index, 'header'], 'two claims are written to one header')
    names.add(header)
  }
})

const MAX_LEEWAY_MS = 60_000

function acrossProviders(written: ReadonlyMap<string, Fields<typeof providerEntries>>, report: Report): void {
  const issuers = new Map<string, string>()
  const places = new Set([...written.values()].flatMap(({ from }) => from.flatMap((each) => (each.kind === 'header' ? each.name : []))))
  for (const [name, { issuer, claimsToHeaders, payloadHeader }] of written) {
    for (const [other, holder] of issuers) {
      if (other === issuer) report([name, 'issuer'], `is the issuer of ${holder} as well`)
      // A principal is `issuer/subject`.
      else if (issuer.startsWith(`${other}/`) || other.startsWith(`${issuer}/`))
        report([name, 'issuer'], `subjects of it and of ${holder} could not be told apart: one issuer is the beginning of the other`)
    }
    issuers.set(issuer, name)
    // What claims are written to is taken out of every request that comes in.
    if (payloadHeader !== undefined && places.has(payloadHeader)) report([name, 'payloadHeader'], 'is where tokens are looked for')
    for (const [index, { header }] of claimsToHeaders.entries())
      if (places.has(header)) report([name, 'claimsToHeaders', index, 'header'], 'is where tokens are looked for')
  }
}

const providers = v.pipe(
  mapOf(text(64), provider, acrossProviders),
  v.check((map) => map.size > 0, 'expected at least one'),
)

/** `inbound.authentication: { … }`. */
export const authentication: v.GenericSchema<unknown, AuthenticationSettings> = v.pipe(
  record(
    {
      providers,
      require: v.optional(requirements, 'any'),
      realm: v.optional(
        checked('text of 1 to 128 printable ASCII characters', (input) =>
          typeof input === 'string' && /^[\x20-\x7e]{1,128}$/.test(input) ? input : undefined,
        ),
      ),
    },
    [],
    ({ providers: known, require: written }, report) => {
      if (known === undefined || written === undefined) return
      const check = ({ how, providers: names }: Requirement, at: readonly PropertyKey[]): void => {
        for (const [index, name] of (names ?? []).entries()) if (!known.has(name)) report([...at, how, index], 'names no provider')
      }
      if (Array.isArray(written)) for (const [index, each] of written.entries()) check(each.require, ['require', index, 'require'])
      else check(written as Requirement, ['require'])
    },
  ),
  v.transform(({ providers: written, require: required, realm }): AuthenticationSettings => {
    const all = [...written.keys()]
    const complete = ({ how, providers: names }: Requirement): TokenRequirement => ({ how, providers: names ?? all })
    const anyOf: TokenRequirement = { how: 'any', providers: all }
    return {
      providers: Array.from(written, ([name, { jwks: keys, claimsToHeaders: claimHeaders, leeway: leewayMs, ...rest }]) => {
        const { audiences, payloadHeader } = rest
        return { ...rest, name, keys, claimHeaders, leewayMs, audiences, payloadHeader } satisfies TokenProviderSettings
      }),
      rules: Array.isArray(required)
        ? required.map(({ paths, hosts, methods, require: each }): TokenRule => ({ paths, hosts, methods, require: complete(each) }))
        : [],
      otherwise: Array.isArray(required) ? anyOf : complete(required as Requirement),
      realm,
    }
  }),
)

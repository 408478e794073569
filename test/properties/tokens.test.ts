import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStrictObject } from '../../src/security/jwt/strict-json.ts'
import { readToken } from '../../src/security/jwt/token.ts'
import { inboundCall } from '../support/inbound-call.ts'
import { authenticator, ISSUER, TokenIssuer } from '../support/tokens.ts'

const issuer = new TokenIssuer()
const edwards = new TokenIssuer('EdDSA', 'k2')
const rsa = new TokenIssuer('RS256', 'k3')
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0é'

const mutation = fc.oneof(
  fc.record({ kind: fc.constant('replace' as const), at: fc.nat(), with: fc.constantFrom(...ALPHABET) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), with: fc.constantFrom(...ALPHABET) }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(), length: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant('swap' as const), at: fc.nat(), with: fc.nat() }),
  fc.record({ kind: fc.constant('flip' as const), part: fc.nat(2), at: fc.nat(), bit: fc.nat(7) }),
)
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

function mutate(token: string, change: Mutation): string {
  if (change.kind === 'flip') {
    const parts = token.split('.')
    const bytes = Buffer.from(parts[change.part] ?? '', 'base64url')
    const at = change.at % Math.max(1, bytes.length)
    if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << change.bit)
    parts[change.part] = bytes.toString('base64url')
    return parts.join('.')
  }
  const at = change.at % Math.max(1, token.length)
  if (change.kind === 'replace') return token.slice(0, at) + change.with + token.slice(at + 1)
  if (change.kind === 'insert') return token.slice(0, at) + change.with + token.slice(at)
  if (change.kind === 'delete') return token.slice(0, at) + token.slice(at + change.length)
  const other = change.with % Math.max(1, token.length)
  const letters = [...token]
  const [a = '', b = ''] = [letters[at], letters[other]]
  letters[at] = b
  letters[other] = a
  return letters.join('')
}

describe('a token that was changed', () => {
  it('in any way is never taken, whoever signed it', async () => {
    const { gate } = authenticator({ providers: { a: { issuer: ISSUER, jwks: issuer.keySet(edwards, rsa) } } })
    const admitted = async (token: string): Promise<boolean> =>
      (await gate.admit(inboundCall({ headers: { authorization: `Bearer ${token}` } }))).refused !== true
    const tokens = [issuer.token({ roles: ['a'] }), edwards.token(), rsa.token()]
    for (const token of tokens) expect(await admitted(token)).toBe(true)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...tokens), fc.array(mutation, { minLength: 1, maxLength: 3 }), async (token, changes) => {
        const changed = changes.reduce(mutate, token)
        return changed === token || !(await admitted(changed))
      }),
      { numRuns: 3_000 },
    )
    // Nor did any of it throw out or change what was proved.
    for (const token of tokens)
      expect(gate.admit(inboundCall({ headers: { authorization: `Bearer ${token}` } }))).not.toBeInstanceOf(Promise)
  })

  it('parts of tokens do not fit together', async () => {
    const { gate } = authenticator({ providers: { a: { issuer: ISSUER, jwks: issuer.keySet(edwards, rsa) } } })
    const parts = [issuer.token(), issuer.token({ sub: 'bob' }), edwards.token(), rsa.token()].map((token) => token.split('.'))
    const pick = fc.nat(parts.length - 1)
    await fc.assert(
      fc.asyncProperty(pick, pick, pick, async (a, b, c) => {
        const token = [parts[a]?.[0], parts[b]?.[1], parts[c]?.[2]].join('.')
        const { refused } = await gate.admit(inboundCall({ headers: { authorization: `Bearer ${token}` } }))
        const whole = parts.some((each) => each.join('.') === token)
        return whole === (refused !== true)
      }),
      { numRuns: 200 },
    )
  })
})

describe('reading never throws', () => {
  it('whatever the token is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof readToken(text, 16_384) === 'string'))
    const part = fc.oneof(fc.json(), fc.string({ unit: 'binary' })).map((text) => Buffer.from(text).toString('base64url'))
    fc.assert(fc.property(fc.tuple(part, part, part), (parts) => readToken(parts.join('.'), 16_384) !== undefined))
  })

  it('and JSON is read as JSON.parse has it, where no name is there twice', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 5 })), (object) => {
        const text = JSON.stringify(object)
        expect(JSON.stringify(parseStrictObject(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
    )
  })
})

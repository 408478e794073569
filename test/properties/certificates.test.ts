import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { IdentityStore } from '../../src/security/identity/identity-store.ts'
import { PeerVerifier } from '../../src/security/peer-verifier.ts'
import { parseSpiffeId } from '../../src/security/spiffe/spiffe-id.ts'
import { DerReader } from '../../src/security/x509/der.ts'
import { CertificateAuthority } from '../support/tls.ts'

const ca = new CertificateAuthority()
const good = new X509Certificate(ca.issue({ names: ['spiffe://example.org/ns/a/sa/b', 'a.internal'] }).cert).raw
const store = new IdentityStore({
  identity: undefined,
  trust: new Map([['example.org', { ca: { value: [ca.cert], file: undefined }, crl: undefined }]]),
  clock: systemClock,
  emit: () => {},
})
const verifier = new PeerVerifier(store, systemClock)
const judge = (der: Uint8Array) => verifier.verify([der], { role: 'client', others: undefined, openSslAgrees: false })

describe('certificates', () => {
  it('the one that is right is let in', () => expect(judge(good)).toMatchObject({ principal: { id: 'spiffe://example.org/ns/a/sa/b' } }))

  it('with any other bit than it was signed with, none is let in, and nothing throws', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(good)
        changed[at] = (changed[at] as number) ^ (1 << bit)
        expect(judge(changed)).toHaveProperty('problem')
      }),
      { numRuns: 500 },
    )
  })

  it('cut, lengthened or made of anything, none is let in, and nothing throws', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), (length) => void expect(judge(good.subarray(0, length))).toHaveProperty('problem')),
      { numRuns: 100 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void expect(judge(bytes)).toHaveProperty('problem')),
      { numRuns: 300 },
    )
  })

  it('DER gives back every byte or says that it is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const reader = new DerReader(Buffer.from(bytes))
        const parts: Buffer[] = []
        try {
          while (!reader.done) parts.push(reader.any().whole)
        } catch (error) {
          expect((error as Error).name).toBe('DerError')
          return
        }
        expect(Buffer.concat(parts).equals(Buffer.from(bytes))).toBe(true)
      }),
    )
  })

  it('a SPIFFE id is its trust domain and its path, or is none', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^spiffe:\/\/[a-zA-Z0-9._:@%/?#-]{0,40}$/))
    fc.assert(
      fc.property(text, (id) => {
        const parsed = parseSpiffeId(id)
        if ('problem' in parsed) return
        expect(`spiffe://${parsed.trustDomain}${parsed.path}`).toBe(id)
        // Whatever passes means the same to a URL parser.
        const url = new URL(id)
        expect([url.host, url.pathname, url.search, url.hash, url.username]).toEqual([parsed.trustDomain, parsed.path, '', '', ''])
      }),
      { numRuns: 2_000 },
    )
  })
})

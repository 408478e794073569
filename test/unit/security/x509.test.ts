import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readAuthorities } from '../../../src/security/identity/trust-bundle.ts'
import { type Certificate, readCertificate } from '../../../src/security/x509/certificate.ts'
import { bitsOf, booleanOf, DerReader, derOf, oidText, smallInteger, TAG, timeOf } from '../../../src/security/x509/der.ts'
import { findPath } from '../../../src/security/x509/path.ts'
import { readRevocationLists } from '../../../src/security/x509/pem.ts'
import { readRevocationList } from '../../../src/security/x509/revocation-list.ts'
import { CertificateAuthority } from '../../support/tls.ts'

const value = (hex: string) => new DerReader(Buffer.from(hex.replaceAll(' ', ''), 'hex')).any()

describe('DER', () => {
  it.each([
    ['an indefinite length', '30 80 00 00'],
    ['a length in more bytes than it needs', '04 81 01 00'],
    ['a length with a zero in front', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a tag of several bytes', '1f 81 01 00'],
    ['contents that are missing', '04 05 00'],
    ['a length that is missing', '04'],
    ['a length that ends early', '04 82 01'],
    ['a length of five bytes', '04 85 00 00 00 00 01 00'],
    ['nothing', ''],
  ])('is not: %s', (_, hex) => expect(() => value(hex)).toThrow())

  it('what follows the one value is told', () => expect(() => derOf(Buffer.from('300001', 'hex'), TAG.sequence)).toThrow(/follows/))
  it('object identifiers', () => {
    expect(oidText(value('06 03 55 1d 11'))).toBe('2.5.29.17')
    expect(oidText(value('06 09 2a 86 48 86 f7 0d 01 01 0b'))).toBe('1.2.840.113549.1.1.11')
    for (const bad of ['06 00', '06 02 55 80', '06 03 55 80 01']) expect(() => oidText(value(bad))).toThrow()
  })
  it('booleans, numbers and bits', () => {
    expect([booleanOf(value('01 01 ff')), booleanOf(value('01 01 00'))]).toEqual([true, false])
    expect(() => booleanOf(value('01 01 01'))).toThrow()
    expect([smallInteger(value('02 01 00')), smallInteger(value('02 02 00 80'))]).toEqual([0, 128])
    for (const bad of ['02 00', '02 01 ff', '02 02 00 01', '02 06 01 00 00 00 00 00']) expect(() => smallInteger(value(bad))).toThrow()
    const bit = bitsOf(value('03 02 07 80'))
    expect([bit(0), bit(1), bit(40)]).toEqual([true, false, false])
    for (const bad of ['03 00', '03 01 01', '03 02 08 80']) expect(() => bitsOf(value(bad))).toThrow()
  })
  it('times', () => {
    const time = (tag: number, text: string) => timeOf({ tag, contents: Buffer.from(text), whole: Buffer.alloc(0) })
    expect(time(TAG.utcTime, '491231235959Z')).toBe(Date.parse('2049-12-31T23:59:59Z'))
    expect(time(TAG.utcTime, '500101000000Z')).toBe(Date.parse('1950-01-01T00:00:00Z'))
    expect(time(TAG.generalizedTime, '20500101000000Z')).toBe(Date.parse('2050-01-01T00:00:00Z'))
    for (const bad of ['4912312359Z', '491231235959', '491231235959+0100', '491331235959Z']) expect(() => time(TAG.utcTime, bad)).toThrow()
    expect(() => time(TAG.generalizedTime, '20500101000000.5Z')).toThrow()
  })
})

const now = Date.now()
const DAY = 86_400_000
const read = (pem: string): Certificate => readCertificate(new X509Certificate(pem).raw)
const root = new CertificateAuthority('root')
const stranger = new CertificateAuthority('root')
const names = { names: ['spiffe://example.org/a'] }

function judged(leaf: string, sent: string[], authorities: string[] = [root.cert], crls: string[] = [], at = now): string {
  const revocations = crls.flatMap(readRevocationLists).map(readRevocationList)
  const found = findPath(read(leaf), sent.map(read), { authorities: readAuthorities(authorities), revocations }, at)
  return 'problem' in found ? found.problem : `path of ${found.path.length}`
}

describe('a path', () => {
  const a = root.intermediate('a')
  const b = a.intermediate('b')
  const last = root.intermediate('last', { pathLength: 0 })
  it.each<[string, () => string, RegExp | string]>([
    ['straight to the authority', () => judged(root.issue(names).cert, []), 'path of 2'],
    ['over two, sent in any order', () => judged(b.issue(names).cert, [root.cert, a.cert, b.cert]), 'path of 4'],
    ['to an authority in the middle that is believed itself', () => judged(b.issue(names).cert, [b.cert], [a.cert]), 'path of 3'],
    ['one of them is missing', () => judged(b.issue(names).cert, [b.cert]), /issuer is unknown/],
    ['a root of the same name', () => judged(stranger.issue(names).cert, [stranger.cert]), /issuer is unknown/],
    [
      'the leaf is not believed for being sent',
      () => judged(stranger.issue(names).cert, [stranger.cert], [root.cert]),
      /issuer is unknown/,
    ],
    ['as long as the authority above allows', () => judged(last.issue(names).cert, [last.cert]), 'path of 3'],
    [
      'longer than it allows',
      () => judged(last.intermediate('x').issue(names).cert, [last.cert, last.intermediate('x').cert]),
      /unknown|allows/,
    ],
    ['an expired leaf', () => judged(root.issue(names).cert, [], [root.cert], [], now + 2 * DAY), /expired on/],
    ['a leaf before its time', () => judged(root.issue(names).cert, [], [root.cert], [], now - 2 * DAY), /not valid before/],
    ['an extension nobody knows', () => judged(root.issue({ ...names, strange: true }).cert, []), /extension nobody knows/],
  ])('%s', (_, found, expected) => {
    if (typeof expected === 'string') expect(found()).toBe(expected)
    else expect(found()).toMatch(expected)
  })

  it('with authorities that are out of their time, pretend, or come too thick', () => {
    const old = root.intermediate('old', { notAfter: new Date(now - 1_000) })
    expect(judged(old.issue(names).cert, [old.cert])).toMatch(/its issuer expired/)
    const pretender = root.intermediate('pretender', { pretends: true })
    expect(judged(pretender.issue(names).cert, [pretender.cert])).toMatch(/unknown|no authority/)
    const x = last.intermediate('x')
    expect(judged(x.issue(names).cert, [x.cert, last.cert])).toMatch(/more authorities/)
    let deep = root
    const sent: string[] = []
    for (let depth = 0; depth < 12; depth++) {
      deep = deep.intermediate(`depth ${depth}`)
      sent.push(deep.cert)
    }
    expect(judged(deep.issue(names).cert, sent)).toMatch(/issuer is unknown/)
  })

  it('gives up among hundreds of look-alikes', () => {
    const alike = Array.from({ length: 60 }, () => root.intermediate('alike').cert)
    const real = root.intermediate('alike')
    // The identifiers of their keys are not there, so each has to be tried.
    expect(judged(real.issue(names).cert, alike)).toMatch(/too many|unknown/)
  })

  it('what is revoked, not revoked, or unknown', () => {
    const good = root.issue(names).cert
    const bad = root.issue(names).cert
    expect(judged(good, [], [root.cert], [root.revoke([bad])])).toBe('path of 2')
    expect(judged(bad, [], [root.cert], [root.revoke([bad])])).toBe('it was revoked')
    expect(judged(good, [], [root.cert], [root.revoke([], new Date(now - 1))])).toMatch(/no valid revocation list/)
    expect(judged(good, [], [root.cert], [stranger.revoke([])])).toMatch(/no valid revocation list/)
    const below = a.issue(names).cert
    // Every issuer of the path needs one, and the authority between may be revoked itself.
    expect(judged(below, [a.cert], [root.cert], [root.revoke([])])).toMatch(/no valid revocation list/)
    expect(judged(below, [a.cert], [root.cert], [root.revoke([]), a.revoke([])])).toBe('path of 3')
    expect(judged(below, [a.cert], [root.cert], [root.revoke([a.cert]), a.revoke([])])).toBe('it was revoked')
  })
})

describe('authorities', () => {
  it('are nothing else', () => {
    expect(readAuthorities([root.cert])).toHaveLength(1)
    expect(() => readAuthorities([root.cert, root.issue(names).cert])).toThrow('certificate 2 is not that of an authority')
    expect(() => readAuthorities([])).toThrow('there is no certificate')
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import { clampDelay } from '../../../src/core/clock.ts'
import { SecretValue } from '../../../src/core/secret.ts'
import { createMesh, type MeshEvents, type MeshOptions } from '../../../src/index.ts'
import type { IdentitySettings, TrustSettings } from '../../../src/model/identity.ts'
import { IdentityStore } from '../../../src/security/identity/identity-store.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { TempDir } from '../../support/temp-dir.ts'
import { CertificateAuthority, type Credentials, type LeafOptions } from '../../support/tls.ts'

const ca = new CertificateAuthority()
const DAY = 86_400_000
const WEB = 'spiffe://example.org/web'
/** The hands of the virtual clock stand far from the day of the test: certificates of these tests hold by them. */
const AT = new VirtualClock().wallTime()
const issue = (leaf: LeafOptions): Credentials => ca.issue({ notBefore: new Date(AT - DAY), notAfter: new Date(AT + 9 * DAY), ...leaf })
const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

type Told = { [Name in keyof MeshEvents]: [Name, MeshEvents[Name]] }[keyof MeshEvents]

/** A store whose files are looked at when the clock says so. */
function storeOf(clock: VirtualClock, identity: IdentitySettings | undefined, trust: Record<string, TrustSettings> = {}) {
  const told: Told[] = []
  const store = new IdentityStore({
    identity,
    trust: new Map(Object.entries(trust)),
    clock,
    emit: (name, payload) => void told.push([name, payload] as Told),
  })
  opened.push(() => store.close())
  return { store, told }
}

const inline = ({ cert, key }: Credentials): IdentitySettings => ({
  cert: { value: [cert], file: undefined },
  key: { value: new SecretValue(key), file: undefined },
  ca: undefined,
  pollMs: 10_000,
})

function filesOf() {
  const directory = new TempDir()
  opened.push(() => directory.remove())
  const settings: IdentitySettings = {
    cert: { value: undefined, file: directory.at('cert.pem') },
    key: { value: undefined, file: directory.at('key.pem') },
    ca: undefined,
    pollMs: 10_000,
  }
  const write = (made: Partial<Credentials>): void => {
    if (made.cert !== undefined) directory.write('cert.pem', made.cert)
    if (made.key !== undefined) directory.write('key.pem', made.key)
  }
  return { directory, settings, write }
}

describe('an identity', () => {
  it('tells at 50, 80, 90 and 100 % of its life, once', async () => {
    const clock = new VirtualClock()
    const from = clock.wallTime()
    const made = issue({ names: [WEB], notBefore: new Date(from), notAfter: new Date(from + 100_000) })
    const { store, told } = storeOf(clock, inline(made))
    store.start()
    expect(told).toEqual([])
    await clock.advance(49_000)
    expect(told).toEqual([])
    await clock.advance(200_000)
    expect(told.map(([name, payload]) => [name, (payload as MeshEvents['identityExpiring']).percent])).toEqual(
      [50, 80, 90, 100].map((percent) => ['identityExpiring', percent]),
    )
    expect(told[1]).toEqual(['identityExpiring', { id: WEB, percent: 80, notAfter: from + 100_000, leftMs: 20_000 }])
  })

  it('that comes old is told of once, and a long one outlasts what a timer holds', async () => {
    const clock = new VirtualClock()
    const from = clock.wallTime()
    const old = storeOf(clock, inline(issue({ names: [WEB], notBefore: new Date(from - 85_000), notAfter: new Date(from + 15_000) })))
    old.store.start()
    expect(old.told).toMatchObject([['identityExpiring', { percent: 80 }]])
    const { setTimer } = clock
    clock.setTimer = (fire, delayMs) => setTimer.call(clock, fire, clampDelay(delayMs))
    const long = storeOf(clock, inline(issue({ names: [WEB], notBefore: new Date(from), notAfter: new Date(from + 100 * DAY) })))
    long.store.start()
    await clock.advance(49 * DAY)
    expect(long.told).toEqual([])
    await clock.advance(2 * DAY)
    expect(long.told).toMatchObject([['identityExpiring', { percent: 50 }]])
  })

  it('stays what it was while a certificate waits for its key, and says so after a second', async () => {
    const clock = new VirtualClock()
    const { settings, write } = filesOf()
    write(issue({ names: [WEB] }))
    const { store, told } = storeOf(clock, settings)
    store.start()
    const first = store.current
    expect(first?.id).toBe(WEB)
    const next = issue({ names: ['spiffe://example.org/next'] })
    write({ cert: next.cert })
    await clock.advance(10_100)
    expect([store.current, told]).toEqual([first, []])
    await clock.advance(60_000)
    expect(told).toEqual([['identityRejected', { what: 'identity', reason: 'key is not the key of cert' }]])
    write({ key: next.key })
    await clock.advance(10_100)
    expect(store.current?.id).toBe('spiffe://example.org/next')
    expect(store.generation).toBe(2)
    expect(told.at(-1)).toMatchObject(['identityRotated', { id: 'spiffe://example.org/next', generation: 2 }])
  })

  it.each<[string, (directory: TempDir) => void, RegExp]>([
    ['nonsense', (directory) => directory.write('cert.pem', 'nonsense'), /PEM|ASN|wrong tag|asn1|unsupported|not enough/i],
    ['an empty file', (directory) => directory.write('cert.pem', ''), /./],
    [
      'a key in place of a certificate',
      (directory) => directory.write('cert.pem', issue({ names: [WEB] }).key),
      /not only whole certificates/,
    ],
    ['a file that is gone', (directory) => directory.remove('key.pem'), /ENOENT/],
    [
      'a directory',
      (directory) => {
        directory.remove('key.pem')
        directory.write('key.pem/x', '')
      },
      /is no file/,
    ],
    ['two ids', (directory) => directory.write('cert.pem', issue({ names: [WEB, `${WEB}2`] }).cert), /key is not|2 URIs/],
  ])('stays what it was with %s', async (_, spoil, reason) => {
    const clock = new VirtualClock()
    const { directory, settings, write } = filesOf()
    write(issue({ names: [WEB] }))
    const { store, told } = storeOf(clock, settings)
    store.start()
    spoil(directory)
    await clock.advance(60_000)
    expect(told).toEqual([['identityRejected', { what: 'identity', reason: expect.stringMatching(reason) }]])
    expect(store.current?.id).toBe(WEB)
  })

  it('is not replaced by one that is out of its time while it is in its own', async () => {
    const clock = new VirtualClock()
    const { settings, write } = filesOf()
    write(issue({ names: [WEB] }))
    const { store, told } = storeOf(clock, settings)
    store.start()
    const at = clock.wallTime()
    write(issue({ names: ['spiffe://example.org/early'], notBefore: new Date(at + 3_600_000), notAfter: new Date(at + DAY) }))
    await clock.advance(60_000)
    expect(told).toEqual([['identityRejected', { what: 'identity', reason: 'the new certificate is not valid yet' }]])
    await clock.advance(3_600_000)
    expect(store.current?.id).toBe('spiffe://example.org/early')
  })

  it('has its own authorities where trust names none, and trust is asked first', () => {
    const other = new CertificateAuthority('other')
    const held = (value: string) => ({ value: [value], file: undefined })
    const settings = { ...inline(issue({ names: [WEB] })), ca: held(ca.cert) }
    const { store } = storeOf(new VirtualClock(), settings)
    expect(store.stats().trust).toEqual({ 'example.org': 1 })
    const { store: named } = storeOf(new VirtualClock(), settings, { 'example.org': { ca: held(other.cert), crl: undefined } })
    expect(named.bundle('example.org')?.pem).toEqual([other.cert])
    expect(named.bundle('third.org')).toBeUndefined()
  })
})

describe('options', () => {
  const { cert, key } = ca.issue({ names: [WEB] })
  const wrong = ca.issue({ names: [WEB] })
  it.each<[string, MeshOptions, string]>([
    ['no key', { identity: { cert } }, 'identity.key: expected key or keyFile'],
    ['two certificates', { identity: { cert, certFile: 'x', key } }, 'identity.certFile: cert and certFile exclude each other'],
    ['a key of another', { identity: { cert, key: wrong.key } }, 'identity: key is not the key of cert'],
    [
      'two ids',
      { identity: ca.issue({ names: [WEB, `${WEB}2`] }) },
      'identity: cert is no SVID: the certificate carries 2 URIs, and an SVID carries one',
    ],
    ['an empty domain', { trust: { 'example.org': {} } }, 'trust["example.org"].ca: expected ca or caFile'],
    [
      'a domain in upper case',
      { trust: { 'Example.org': { ca: ca.cert } } },
      'trust["Example.org"]: name: expected a trust domain such as example.org, got "Example.org"',
    ],
    [
      'a leaf for an authority',
      { trust: { 'example.org': { ca: cert } } },
      'trust["example.org"].ca: certificate 1 is not that of an authority',
    ],
    [
      'a mode',
      { inbound: { tls: { mode: 'mutual' as never } } },
      'inbound.tls.mode: expected off, simple, permissive, strict, got "mutual"',
    ],
    ['no names', { inbound: { tls: { sans: [] } } }, 'inbound.tls.sans: expected at least one name'],
    [
      'a prefix in a trust domain',
      { inbound: { tls: { sans: ['spiffe://example*'] } } },
      'inbound.tls.sans[0]: a prefix of a SPIFFE id names a whole trust domain: spiffe://example.org/*',
    ],
    [
      'mutual without us',
      { services: { a: { tls: { mode: 'mutual' } } } },
      "identity: expected a certificate and its key: services.a.tls.mode is 'mutual'",
    ],
    [
      'mutual by default',
      { defaults: { tls: { mode: 'mutual' } } },
      "identity: expected a certificate and its key: defaults.tls.mode is 'mutual'",
    ],
    [
      'mutual with a ca',
      { identity: { cert, key }, services: { a: { tls: { mode: 'mutual', ca: ca.cert } } } },
      'services.a.tls: in mode mutual our certificate is `identity`, and whom to believe stands in `trust`',
    ],
  ])('are refused: %s', (_, options, problem) => {
    expect(() => createMesh(options)).toThrow(expect.objectContaining({ code: 'MESH_CONFIG', reason: problem }))
  })

  it('servers need an identity, and whom to believe', () => {
    const tls = (options: MeshOptions) => () => createMesh(options).tls()
    expect(tls({})).toThrow(/identity: a server in mode simple needs a certificate/)
    expect(tls({ identity: { cert, key }, inbound: { tls: { mode: 'strict' } } })).toThrow(/trust: a server in mode strict needs to know/)
    expect(tls({ identity: { cert, key }, inbound: { tls: { mode: 'off' } } })).toThrow(/it is 'off'/)
    expect(tls({ identity: { certFile: '/nowhere/cert', keyFile: '/nowhere/key' } })).toThrow(
      expect.objectContaining({ code: 'MESH_NOT_READY' }),
    )
    expect(() => createMesh({ trust: { 'example.org': { ca: ca.cert } } }).server()).toThrow(/a server in mode strict needs a certificate/)
    expect(() => createMesh({ identity: { cert, key } }).tls({ mode: 'strickt' as never })).toThrow(/tls.mode: expected/)
  })

  it('no key is ever printed', () => {
    const mesh = createMesh({ identity: { cert, key }, trust: { 'example.org': { ca: ca.cert } } })
    expect(JSON.stringify([mesh.snapshot(), mesh.stats(), mesh])).not.toContain('PRIVATE KEY')
    expect(mesh.snapshot().identity).toMatchObject({ id: WEB, trust: { 'example.org': 1 } })
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forwardedPrincipal, parseForwardedCertificates } from '../../../src/security/xfcc.ts'

const nothing = { by: [], hash: undefined, subject: undefined, uris: [], dns: [], cert: undefined, chain: undefined }
const HASH = '468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688'

describe('X-Forwarded-Client-Cert is read', () => {
  it.each<[string, ReturnType<typeof parseForwardedCertificates>]>([
    // Envoy's own examples (http_conn_man/headers, x-forwarded-client-cert).
    [
      `By=http://frontend.lyft.com;Hash=${HASH};Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";URI=http://testclient.lyft.com`,
      [
        {
          ...nothing,
          by: ['http://frontend.lyft.com'],
          hash: HASH,
          subject: '/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client',
          uris: ['http://testclient.lyft.com'],
        },
      ],
    ],
    [
      `By=http://frontend.lyft.com;Hash=${HASH};URI=http://testclient.lyft.com,By=http://backend.lyft.com;Hash=${HASH};URI=http://frontend.lyft.com`,
      [
        { ...nothing, by: ['http://frontend.lyft.com'], hash: HASH, uris: ['http://testclient.lyft.com'] },
        { ...nothing, by: ['http://backend.lyft.com'], hash: HASH, uris: ['http://frontend.lyft.com'] },
      ],
    ],
    [
      'By=http://frontend.lyft.com;Subject="/C=US";URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com',
      [
        {
          ...nothing,
          by: ['http://frontend.lyft.com'],
          subject: '/C=US',
          uris: ['http://testclient.lyft.com'],
          dns: ['lyft.com', 'www.lyft.com'],
        },
      ],
    ],
    ['Subject="CN=a,O=b;c=d"', [{ ...nothing, subject: 'CN=a,O=b;c=d' }]],
    [String.raw`Subject="CN=\"a\", O=\\"`, [{ ...nothing, subject: String.raw`CN="a", O=\ `.trim() }]],
    [
      ' uri=a ; dns=b , URI=c',
      [
        { ...nothing, uris: ['a'], dns: ['b'] },
        { ...nothing, uris: ['c'] },
      ],
    ],
    ['Subject="";URI=;Hash=', [nothing]],
    ['URI=https://a/?b=c', [{ ...nothing, uris: ['https://a/?b=c'] }]],
    ['Cert="-----BEGIN%20CERTIFICATE-----";Chain="x"', [{ ...nothing, cert: '-----BEGIN%20CERTIFICATE-----', chain: 'x' }]],
    ['', []],
  ])('%s', (header, expected) => expect(parseForwardedCertificates(header)).toEqual(expected))

  it.each([
    'URI',
    '=a',
    'URI=a;',
    'URI=a,',
    ',URI=a',
    'URI=a;;DNS=b',
    'Subject="a',
    'Subject=a"b"',
    'Subject="a"b',
    'Subject="a\\',
    'Hash=a;Hash=b',
    'Subject=a;subject=b',
    'Other=a',
    '__proto__=a',
    'x'.repeat(65_537),
    Array.from({ length: 33 }, () => 'URI=a').join(','),
  ])('and not at all when it is broken: %s', (header) => expect(parseForwardedCertificates(header)).toBe(undefined))

  it('whatever it is, without throwing and in no time', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('URI=', 'Hash=', '"', '\\', ',', ';', '=', 'a', ' ') }), (header) => {
        const read = parseForwardedCertificates(header)
        return read === undefined || read.every(({ uris, by }) => [...uris, ...by].every((each) => each !== ''))
      }),
      { numRuns: 2_000 },
    )
    const started = performance.now()
    parseForwardedCertificates(`Subject="${'\\"'.repeat(30_000)}`)
    parseForwardedCertificates(`Subject=${'=a'.repeat(30_000)}"`)
    parseForwardedCertificates(' '.repeat(60_000))
    expect(performance.now() - started).toBeLessThan(500)
  })

  it('and what was written in quotes is read as it was', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\r\n]/.test(text)),
          { minLength: 1, maxLength: 5 },
        ),
        (subjects) => {
          const header = subjects.map((subject) => `Subject="${subject.replace(/["\\]/g, '\\$&')}"`).join(',')
          expect(parseForwardedCertificates(header)?.map(({ subject }) => subject)).toEqual(subjects)
        },
      ),
    )
  })
})

describe('the principal behind proxies', () => {
  const GATEWAY = 'spiffe://mesh/ns/edge/sa/gateway'
  const ANN = 'spiffe://mesh/ns/web/sa/ann'
  const EVIL = 'spiffe://evil/admin'

  it.each<[string, string[], string | undefined]>([
    ['nothing is told', [], undefined],
    ['it is empty', [''], undefined],
    ['one', [`URI=${ANN}`], ANN],
    ['the last element is the nearest', [`URI=${EVIL},URI=${ANN}`], ANN],
    ['several headers are one', [`URI=${EVIL}`, `URI=${ANN}`], ANN],
    ['proxies that are trusted are passed over', [`URI=${ANN},URI=${GATEWAY}`], ANN],
    ['and no more than they', [`URI=${EVIL},URI=${ANN},URI=${GATEWAY}`], ANN],
    ['the first one stands for itself', [`URI=${GATEWAY}`], GATEWAY],
    ['a DNS name where there is no URI', ['Subject="CN=x";DNS=a.example;DNS=b.example'], 'a.example'],
    ['a subject where there is nothing else', ['Subject="CN=x"'], 'CN=x'],
    ['only a hash', [`Hash=${HASH}`], 'nobody'],
    ['two URIs', [`URI=${ANN};URI=${GATEWAY}`], 'nobody'],
    ['a URI that is no SPIFFE id', ['URI=https://a.example;DNS=a.example'], 'nobody'],
    ['a DNS name that looks like a SPIFFE id', ['DNS=spiffe://mesh/ns/web/sa/ann'], 'nobody'],
    ['a subject that looks like a SPIFFE id', ['Subject="spiffe://mesh/ns/web/sa/ann"'], 'nobody'],
    ['dots in the path', ['URI=spiffe://mesh/ns/../sa/x'], 'nobody'],
    ['an empty segment', ['URI=spiffe://mesh//x'], 'nobody'],
    ['a slash at the end', ['URI=spiffe://mesh/x/'], 'nobody'],
    ['an escape', ['URI=spiffe://mesh/%61nn'], 'nobody'],
    ['a trust domain in capitals', ['URI=spiffe://MESH/x'], 'nobody'],
    ['garbage', ['URI'], 'unreadable'],
    ['garbage at its beginning, from the client', [`";",URI=${ANN}`], 'unreadable'],
  ])('%s', (_, values, expected) => {
    const found = forwardedPrincipal(values, (id) => id === GATEWAY)
    expect(typeof found === 'object' ? found.id : found).toBe(expected)
  })

  it('has what Istio writes into a path', () =>
    expect(forwardedPrincipal([`URI=${ANN}`], () => false)).toEqual({
      id: ANN,
      trustDomain: 'mesh',
      namespace: 'web',
      serviceAccount: 'ann',
    }))
})

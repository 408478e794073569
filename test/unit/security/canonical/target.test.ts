import { describe, expect, it } from 'vitest'
import { canonicalHost, sameHost } from '../../../../src/security/canonical/host.ts'
import { canonicalTarget } from '../../../../src/security/canonical/target.ts'

const SETTINGS = { normalize: 'merge-slashes', escapedSlashes: 'reject', parameters: 'refuse', routing: undefined } as const

function read(method: string, target: string): unknown {
  const found = canonicalTarget(method, target, SETTINGS)
  return 'refused' in found ? found.reason : [found.pathname, found.query, found.authority]
}

const NEITHER = 'the request target is neither a path, an absolute URL, nor what its method takes'

describe('canonicalTarget', () => {
  it.each<[string, string, unknown]>([
    ['GET', '/a/../b?c=/../d', ['/b', 'c=/../d', undefined]],
    ['GET', '/a?', ['/a', '', undefined]],
    ['GET', '/a?b?c', ['/a', 'b?c', undefined]],
    ['GET', '/a?%zz', ['/a', '%zz', undefined]],
    ['GET', '/a?\u00c3\u00a9', ['/a', '\u00c3\u00a9', undefined]],
    ['GET', 'http://web/a', ['/a', '', 'web']],
    ['GET', 'HTTPS://Web:443/a?b', ['/a', 'b', 'Web:443']],
    ['GET', 'http://web', ['/', '', 'web']],
    ['GET', 'http://web?b', ['/', 'b', 'web']],
    ['GET', 'http://user@web/', ['/', '', 'user@web']],
    ['OPTIONS', '*', ['*', '', undefined]],
    ['CONNECT', 'db:5432', ['', '', 'db:5432']],
    ['GET', '*', NEITHER],
    ['GET', '', NEITHER],
    ['GET', 'a', NEITHER],
    ['GET', 'web:80', NEITHER],
    ['GET', 'ftp://web/a', NEITHER],
    ['GET', 'http:/a', NEITHER],
    ['GET', '?a', NEITHER],
    ['GET', '/a#b', 'the request target has a fragment'],
    ['GET', '/a?b#c', 'the request target has a fragment'],
    ['GET', 'http://web#a', 'the request target has a fragment'],
    ['GET', '/a?b c', 'the request target has a control character'],
    ['GET', '/a?b\u0000', 'the request target has a control character'],
  ])('%s %j: %j', (method, target, expected) => expect(read(method, target)).toEqual(expected))
})

describe('canonicalHost', () => {
  it.each<[string, string | undefined, string?]>([
    ['web', 'web'],
    ['Web.Example.COM.', 'web.example.com'],
    ['web.:8080', 'web:8080', 'web'],
    ['WEB:080', 'web:80', 'web'],
    ['web:', 'web'],
    ['a_b', 'a_b'],
    ['127.0.0.1:80', '127.0.0.1:80', '127.0.0.1'],
    ['[::1]:80', '[::1]:80', '::1'],
    ['[0:0:0::1]', '[::1]', '::1'],
    ['[::FFFF:1.2.3.4]', '[::ffff:102:304]', '::ffff:102:304'],
    ['', undefined],
    ['.', undefined],
    ['..', undefined],
    ['a..b', undefined],
    ['web:65536', undefined],
    ['web:80:80', undefined],
    ['web:x', undefined],
    ['user@web', undefined],
    ['web/a', undefined],
    ['web a', undefined],
    ['web,other', undefined],
    ['web%00', undefined],
    ['[::1', undefined],
    ['::1', undefined],
    ['[::1%lo]', undefined],
    ['w\u00e9b', undefined],
    ['a'.repeat(254), undefined],
  ])('%j: %j', (written, host, hostname) => {
    const found = canonicalHost(written)
    expect(found?.host).toBe(host)
    if (host !== undefined) expect(found?.hostname).toBe(hostname ?? host)
  })

  it.each([
    ['web', 'WEB.', 'http', true],
    ['web:80', 'web', 'http', true],
    ['web:443', 'web', 'https', true],
    ['web:443', 'web', 'http', false],
    ['web', 'other', 'http', false],
  ])('%s and %s under %s: %s', (one, other, scheme, same) => {
    const [a, b] = [canonicalHost(one), canonicalHost(other)]
    expect(a !== undefined && b !== undefined && sameHost(a, b, scheme)).toBe(same)
  })
})

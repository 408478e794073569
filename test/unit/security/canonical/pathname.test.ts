import { describe, expect, it } from 'vitest'
import type { PathSettings } from '../../../../src/model/inbound.ts'
import { canonicalPathname, foldPathname, plainEnd } from '../../../../src/security/canonical/pathname.ts'

const DEFAULTS: PathSettings = { normalize: 'merge-slashes', escapedSlashes: 'reject', parameters: 'refuse', routing: undefined }

/** The path, or why it is refused. */
function read(path: string, settings: Partial<PathSettings> = {}): string {
  const result = canonicalPathname(path, { ...DEFAULTS, ...settings })
  return typeof result === 'string' ? result : `${result.status} ${result.reason}`
}

describe('canonicalPathname', () => {
  it.each([
    ['/', '/'],
    ['/orders/42', '/orders/42'],
    // Escapes of what means nothing by itself are written out, the rest in capitals.
    ['/%61dmin', '/admin'],
    ['/a%2Db%5fc%7ed', '/a-b_c~d'],
    ['/v1/orders%3acancel', '/v1/orders:cancel'],
    ['/a%2Cb%40c%24', '/a,b@c$'],
    ['/a%20b', '/a%20b'],
    ['/%e4%b8%ad', '/%E4%B8%AD'],
    ['/a%3fb%23c', '/a%3Fb%23c'],
    ['/100%25', '/100%25'],
    ['/%2561dmin', '/%2561dmin'],
    ['/a"b<c>', '/a%22b%3Cc%3E'],
    ['/a[1]', '/a%5B1%5D'],
    ['/a%3bb', '/a%3Bb'],
    // Bytes outside ASCII come as one character each.
    ['/\u00c3\u00a9', '/%C3%A9'],
    // Dots, raw and escaped.
    ['/a/../b', '/b'],
    ['/a/./b', '/a/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.%2E/b', '/b'],
    ['/../../a', '/a'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/...', '/...'],
    ['/a/.../b', '/a/.../b'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a..', '/a..'],
    // Slashes.
    ['//a', '/a'],
    ['/a///b//', '/a/b/'],
    ['//', '/'],
    ['/a//../b', '/b'],
  ])('%s is %s', (path, canonical) => {
    expect(read(path)).toBe(canonical)
    expect(read(canonical)).toBe(canonical)
  })

  it.each([
    ['/a%', 'the path has an invalid percent escape'],
    ['/a%2', 'the path has an invalid percent escape'],
    ['/a%g0', 'the path has an invalid percent escape'],
    ['/a%u0061', 'the path has an invalid percent escape'],
    ['/a%00', 'the request target has a control character'],
    ['/a%0a', 'the request target has a control character'],
    ['/a%7F', 'the request target has a control character'],
    ['/a\u0000', 'the request target has a control character'],
    ['/a b', 'the request target has a control character'],
    ['/a\t', 'the request target has a control character'],
    ['/a%2fb', 'the path has an escaped slash or a backslash'],
    ['/a%5Cb', 'the path has an escaped slash or a backslash'],
    ['/a\\b', 'the path has an escaped slash or a backslash'],
    ['/..%2fadmin', 'the path has an escaped slash or a backslash'],
    ['/a%252fb', 'the path has a slash, a dot or a NUL that is escaped twice'],
    ['/a%25252fb', 'the path has a slash, a dot or a NUL that is escaped twice'],
    ['/%252e%252e/admin', 'the path has a slash, a dot or a NUL that is escaped twice'],
    ['/a%2500', 'the path has a slash, a dot or a NUL that is escaped twice'],
    ['/a;x=1', 'the path has a parameter behind a semicolon'],
    ['/a/..;/b', 'the path has a parameter behind a semicolon'],
    // Overlong, cut off, surrogates, beyond the last character; raw too.
    ['/%c0%ae', 'the path is not UTF-8'],
    ['/%c0%af', 'the path is not UTF-8'],
    ['/%e0%80%af', 'the path is not UTF-8'],
    ['/%e4%b8', 'the path is not UTF-8'],
    ['/%e4%b8x', 'the path is not UTF-8'],
    ['/%ed%a0%80', 'the path is not UTF-8'],
    ['/%f4%90%80%80', 'the path is not UTF-8'],
    ['/%ff', 'the path is not UTF-8'],
    ['/\u00ff', 'the path is not UTF-8'],
    ['/\u212a', 'the path is not UTF-8'],
  ])('%j is refused: %s', (path, reason) => expect(read(path)).toBe(`400 ${reason}`))

  it.each<[Partial<PathSettings>, string, string]>([
    [{ normalize: 'base' }, '/a//b', '/a//b'],
    [{ normalize: 'base' }, '/a//', '/a//'],
    [{ normalize: 'base' }, '//admin', '/admin'],
    [{ normalize: 'base' }, '/%61/../b//c', '/b//c'],
    [{ normalize: 'base' }, '/a//../b', '/a/b'],
    [{ normalize: 'none' }, '/a/../%61//', '/a/../%61//'],
    [{ normalize: 'none' }, '/a%00', '400 the request target has a control character'],
    [{ escapedSlashes: 'unescape' }, '/a%2fb', '/a/b'],
    [{ escapedSlashes: 'unescape' }, '/a%2f..%5Cb', '/b'],
    [{ escapedSlashes: 'unescape' }, '/a\\..\\b', '/b'],
    [{ escapedSlashes: 'keep' }, '/@scope%2fname', '/@scope%2Fname'],
    [{ escapedSlashes: 'keep' }, '/a\\b', '/a%5Cb'],
    [{ escapedSlashes: 'keep' }, '/a%252fb', '/a%252fb'],
    [{ escapedSlashes: 'keep' }, '/..%2fadmin', '400 the path has dots beside an escaped slash'],
    [{ escapedSlashes: 'keep' }, '/a%2f..', '400 the path has dots beside an escaped slash'],
    [{ escapedSlashes: 'keep' }, '/a%2f%2e%2e%2fadmin', '400 the path has dots beside an escaped slash'],
    [{ escapedSlashes: 'keep' }, '/a%2f./b', '400 the path has dots beside an escaped slash'],
    [{ escapedSlashes: 'keep' }, '/a%2fb/../c', '/c'],
    [{ escapedSlashes: 'keep' }, '/a%2fb..', '/a%2Fb..'],
    [{ parameters: 'strip' }, '/a;x=1/b;y', '/a/b'],
    [{ parameters: 'strip' }, '/a/..;/b', '/b'],
    [{ parameters: 'strip' }, '/;x/admin', '/admin'],
    [{ parameters: 'keep' }, '/a;x=1', '/a;x=1'],
    [{ parameters: 'keep' }, '/a/..;/b', '/a/..;/b'],
  ])('%j: %s is %s', (settings, path, canonical) => {
    expect(read(path, settings)).toBe(canonical)
    if (canonical.startsWith('/')) expect(read(canonical, settings)).toBe(canonical)
  })
})

describe('plainEnd', () => {
  it.each([
    ['/', 1],
    ['/a/b.c', 6],
    ['/a/', 3],
    ['/a?x=%zz&y=;', 2],
    ['/?', 1],
    ['//', -1],
    ['/a//', -1],
    ['/.a', -1],
    ['/a/..', -1],
    ['/a;b', -1],
    ['/a%20', -1],
    ['/a\\', -1],
    ['/a#b', -1],
    ['/a?b#c', -1],
    ['/a?b c', -1],
    ['/\u00e9', -1],
    ['*', -1],
    ['', -1],
    ['http://a/', -1],
  ])('%s: %d', (target, end) => expect(plainEnd(target)).toBe(end))

  it('agrees with the slow reading', () => {
    for (const path of ['/', '/a', '/a/', '/a/b.c', "/~a!$&'()*+,=:@-_", '/a.b.', '/A/Z/09']) {
      expect(plainEnd(path)).toBe(path.length)
      for (const normalize of ['none', 'base', 'merge-slashes', 'decode-and-merge-slashes'] as const)
        for (const escapedSlashes of ['keep', 'reject', 'unescape'] as const)
          for (const parameters of ['keep', 'refuse', 'strip'] as const)
            expect(read(path, { normalize, escapedSlashes, parameters })).toBe(path)
    }
  })
})

describe('foldPathname', () => {
  it.each([
    ['/', '/'],
    ['/Admin/', '/admin'],
    ['/ADMIN', '/admin'],
    ['/admin;x', '/admin'],
    ['/admin//x', '/admin/x'],
    ['/a/../admin', '/admin'],
    ['/%41dmin', '/admin'],
    // Fastify folds after decoding, and the Kelvin sign becomes a k.
    ['/%E2%84%AAeys', '/keys'],
    ['/%C3%89', '/\u00e9'],
    ['/a%2Fb', '/a/b'],
    ['*', '*'],
    ['', ''],
  ])('%s is %s', (path, folded) => expect(foldPathname(path)).toBe(folded))
})

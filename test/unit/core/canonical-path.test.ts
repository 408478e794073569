import { describe, expect, it } from 'vitest'
import { canonicalPath, isBelow } from '../../../src/core/canonical-path.ts'

describe('canonicalPath', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['/a?b=/../c', '/a'],
    ['/a#b', '/a'],
    ['//a///b', '/a/b'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/b/..', '/a/'],
    ['/../../a', '/a'],
    ['/%61dmin', '/admin'],
    ['/a%2Fb', '/a/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/a\\b', '/a/b'],
    ['/a%5cb', '/a/b'],
    ['/a%20b', '/a%20b'],
    ['/a%e4', '/a%E4'],
    ['/a%25b', '/a%25b'],
    ['/a%zz', '/a%zz'],
    ['/.hidden', '/.hidden'],
    ['', '/'],
    ['*', '/*'],
  ])('%s is %s', (path, canonical) => {
    expect(canonicalPath(path)).toBe(canonical)
    expect(canonicalPath(canonical)).toBe(canonical)
  })
})

describe('isBelow', () => {
  it.each([
    ['/admin', '/admin', true],
    ['/admin/', '/admin', true],
    ['/admin/x', '/admin', true],
    ['/administrator', '/admin', false],
    ['/admin', '/admin/', false],
    ['/admin/x', '/admin/', true],
    ['/x', '/', true],
    ['/x/admin', '/admin', false],
  ])('%s below %s: %s', (path, prefix, below) => expect(isBelow(path, prefix)).toBe(below))
})

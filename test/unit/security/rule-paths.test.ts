import { describe, expect, it } from 'vitest'
import { Authorizer } from '../../../src/security/authorization/authorizer.ts'
import { canonicalPathname } from '../../../src/security/canonical/pathname.ts'
import { inboundCall } from '../../support/inbound-call.ts'

const SETTINGS = { normalize: 'merge-slashes', escapedSlashes: 'keep', parameters: 'keep', routing: undefined } as const

describe('a path in a rule', () => {
  it.each([
    '/a%20b',
    '/a%22b',
    '/a%3Bb',
    '/a;b',
    '/a%3Fb',
    '/a%23b',
    '/a%25b',
    '/@scope%2Fname',
    '/a%5Bb%5D',
    '/%C3%A9',
    "/a!$&'()+,=:@~b",
  ])('%s can be written as the guard reads it, and is met by it', (path) => {
    expect(canonicalPathname(path, SETTINGS)).toBe(path)
    const authorizer = new Authorizer([{ name: 'no', action: 'deny', rules: [{ to: [{ operation: { paths: [path] } }] }] }])
    expect(authorizer.decide(inboundCall({ path })).action).toBe('deny')
    expect(authorizer.decide(inboundCall({ path: '/other' })).action).toBe('allow')
  })
})

import { describe, expect, it } from 'vitest'
import { spokenHeader, spokenHeaders, spokenUrl, withoutCredentials, withoutUserInfo } from '../../../src/core/redact.ts'
import { SecretValue } from '../../../src/core/secret.ts'

describe('what may be said of', () => {
  it.each([
    ['http://registry:8500/v1/list', 'http://registry:8500/v1/list'],
    ['https://a.example.com/list?token=abc&x=1', 'https://a.example.com/list?[redacted]'],
    ['http://user:pass@a.example.com:80/x', 'http://[redacted]@a.example.com:80/x'],
    ['/healthz?key=abc', '/healthz?[redacted]'],
    ['/healthz', '/healthz'],
  ])('the URL %s: %s', (url, spoken) => expect(spokenUrl(url)).toBe(spoken))

  it.each([
    ['user:pass@host:80', '[redacted]@host:80'],
    ['host:80', 'host:80'],
    ['[::1]:8080', '[::1]:8080'],
    ['a@b', 'a@b'],
    ['DEFAULT_GROUP@@orders', 'DEFAULT_GROUP@@orders'],
  ])('the text %s: %s', (text, spoken) => expect(withoutUserInfo(text)).toBe(spoken))

  it.each([
    'authorization',
    'Proxy-Authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'X-Auth',
    'x-session-id',
    'access_token',
    'x-amz-security-token',
  ])('the header %s: nothing', (name) => expect(spokenHeader(name, 'abc')).toBe('[redacted]'))

  it.each(['x-canary', 'content-type', 'x-keyboard', 'location', 'author', 'x-tenant'])('the header %s: its value', (name) =>
    expect(spokenHeader(name, 'abc')).toBe('abc'),
  )
})

describe('configuration as it is printed', () => {
  const printed = (value: unknown): unknown => JSON.parse(JSON.stringify(value, withoutCredentials))

  it('keeps what rules write into credentials, or compare them with, to itself', () => {
    const rule = {
      matches: [{ path: { kind: 'exact', value: '/a' }, headers: [{ name: 'x-api-key', text: { kind: 'exact', value: 'abc' } }] }],
      headers: { request: { set: { authorization: 'Bearer abc', 'x-route': 'v2' }, add: {}, remove: ['cookie'] } },
      respond: { status: 200, headers: { 'set-cookie': 'abc', 'content-type': 'text/plain' } },
      fault: { abort: { header: { name: 'x-token', value: 'abc' } } },
      authorization: { when: [{ key: 'request.headers[x-token]', values: ['abc'], notValues: ['abc'] }] },
      healthCheck: { path: '/healthz?key=abc', headers: { host: new SecretValue('abc') } },
    }
    expect(printed(rule)).toEqual({
      matches: [{ path: { kind: 'exact', value: '/a' }, headers: [{ name: 'x-api-key', text: { kind: 'exact', value: '[redacted]' } }] }],
      headers: { request: { set: { authorization: '[redacted]', 'x-route': 'v2' }, add: {}, remove: ['cookie'] } },
      respond: { status: 200, headers: { 'set-cookie': '[redacted]', 'content-type': 'text/plain' } },
      fault: { abort: { header: { name: 'x-token', value: '[redacted]' } } },
      authorization: { when: [{ key: 'request.headers[x-token]', values: ['[redacted]'], notValues: ['[redacted]'] }] },
      healthCheck: { path: '/healthz?[redacted]', headers: { host: '[redacted]' } },
    })
  })

  it('says the rest', () => {
    const rest = {
      hash: [{ cookie: 'sid' }, { header: 'authorization' }],
      name: 'tokens',
      match: { name: 'x-canary', text: { kind: 'exact', value: '1' } },
      when: [{ key: 'source.ip', values: ['10.0.0.1'] }],
    }
    expect(printed(rest)).toEqual(rest)
    expect(spokenHeaders({ a: 'b', cookie: undefined })).toEqual({ a: 'b', cookie: undefined })
  })
})

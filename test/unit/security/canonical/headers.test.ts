import { describe, expect, it } from 'vitest'
import type { HeaderSettings } from '../../../../src/model/inbound.ts'
import { firstHeader, headerValues, removeHeaders, type Standing, scanHeaders } from '../../../../src/security/canonical/headers.ts'

const DEFAULTS: HeaderSettings = { underscores: 'refuse', maxCount: 100, maxBytes: 61_440 }

/** `'Name: value'` lines as Node's raw list. */
function rawOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const colon = line.indexOf(':', 1)
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}

/** What is left of the headers, or why they are refused. */
function scan(lines: readonly string[], standing: Standing = 'stranger', settings: Partial<HeaderSettings> = {}): unknown {
  const raw = rawOf(lines)
  const findings = { writtenHost: undefined, marked: false }
  const refusal = scanHeaders(raw, { ...DEFAULTS, ...settings }, standing, findings, 2_000)
  if (refusal !== undefined) return `${refusal.status} ${refusal.reason}`
  const headers: Record<string, unknown> = Object.fromEntries(
    raw.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1]]] : [])),
  )
  if (findings.marked) removeHeaders(raw, headers, settings.underscores ?? 'refuse', standing)
  const names = raw.filter((_, at) => at % 2 === 0)
  expect(Object.keys(headers).sort()).toEqual([...new Set(names.map((name) => name.toLowerCase()))].sort())
  return names
}

describe('scanHeaders', () => {
  it.each<[string[], unknown]>([
    [
      ['Host: a', 'Accept: b', 'accept: c'],
      ['Host', 'Accept', 'accept'],
    ],
    [['Host: a', 'host: a'], '400 a header that may be there once is there twice'],
    [['Authorization: a', 'AUTHORIZATION: b'], '400 a header that may be there once is there twice'],
    [['Content-Length: 1', 'content-length: 1'], '400 a header that may be there once is there twice'],
    [['X_Forwarded_For: a'], '400 a header name has an underscore'],
    [
      [':path: /', ':method: GET', 'accept: a'],
      [':path', ':method', 'accept'],
    ],
  ])('%j: %j', (lines, expected) => expect(scan(lines)).toEqual(expected))

  it.each<[Standing, string[]]>([
    ['stranger', ['X-Other']],
    ['peer', ['X-Envoy-Retry-On', 'X-Inmesh-Priority', 'X-Mesh-Priority', 'X-Other']],
    ['proxy', ['X-Envoy-Retry-On', 'X-Inmesh-Priority', 'X-Mesh-Priority', 'X-Forwarded-Client-Cert', 'X-Other']],
  ])('what is said among peers of the mesh is heard from a %s: %j', (standing, left) => {
    const lines = [
      'X-Envoy-Retry-On: 5xx',
      'X-Inmesh-Priority: high',
      'X-Mesh-Priority: high',
      'X-Forwarded-Client-Cert: By=x',
      'X-Other: a',
    ]
    expect(scan(lines, standing)).toEqual(left)
  })

  it('underscores are dropped or kept where one asks for it', () => {
    expect(scan(['a_b: c', 'd: e'], 'stranger', { underscores: 'drop' })).toEqual(['d'])
    expect(scan(['a_b: c', 'd: e'], 'stranger', { underscores: 'keep' })).toEqual(['a_b', 'd'])
  })

  it('more or longer headers than there may be', () => {
    const many = Array.from({ length: 101 }, (_, index) => `a${index}: b`)
    expect(scan(many)).toBe('431 the request has too many headers')
    expect(scan(many.slice(1))).toHaveLength(100)
    expect(scan([`a: ${'b'.repeat(61_440)}`])).toBe('431 the headers are too large')
    expect(scan([`a: ${'b'.repeat(61_439)}`])).toEqual(['a'])
  })

  it('a list as long as the one that Node cuts off says nothing of what followed', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `a${index}: b`)
    expect(scan(many, 'stranger', { maxCount: 2_000 })).toBe('431 the request has too many headers')
  })
})

describe('headerValues', () => {
  const raw = rawOf(['X-Role: guest, admin', 'x-role:reader', 'User-Agent: a (b, c)', 'Empty: ', 'Commas: ,, ,', 'Cookie: a=1, 2'])
  it.each([
    ['x-role', ['guest', 'admin', 'reader']],
    ['user-agent', ['a (b, c)']],
    ['cookie', ['a=1, 2']],
    ['empty', ['']],
    ['commas', []],
    ['absent', []],
  ])('%s: %j', (name, values) => expect(headerValues(raw, name)).toEqual(values))

  it('the first is the first line as it came in', () => {
    expect([firstHeader(raw, 'x-role'), firstHeader(raw, 'absent')]).toEqual(['guest, admin', undefined])
  })
})

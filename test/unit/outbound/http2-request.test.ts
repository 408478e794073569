import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import type { DispatchOptions } from '../../../src/outbound/handler.ts'
import { requestHead } from '../../../src/outbound/http2/request-head.ts'
import { StreamError } from '../../../src/outbound/http2/stream-error.ts'
import { wholeBody } from '../../../src/outbound/http2/write-body.ts'
import type { UndiciError } from '../../../src/outbound/undici.ts'

const refuse: UndiciError = (name, message) => new undici.errors[name](message)
const head = (options: Partial<DispatchOptions>) =>
  requestHead({ path: '/', method: 'GET', ...options }, new URL('https://orders:8443'), refuse)

describe('the head of a request over HTTP/2', () => {
  it.each<[string, unknown, Record<string, unknown>]>([
    ['no Host is the authority of the origin', undefined, { ':authority': 'orders:8443', ':scheme': 'https' }],
    ['Host is the authority', { Host: 'shop' }, { ':authority': 'shop' }],
    ['a list of names and values', ['X-A', '1', 'x-a', '2'], { 'x-a': '1, 2' }],
    ['pairs', new Map([['X-A', '1']]), { 'x-a': '1' }],
    ['several values', { 'x-a': ['1', 2] }, { 'x-a': '1, 2' }],
    ['cookies are joined as cookies are', ['cookie', 'a=1', 'Cookie', 'b=2'], { cookie: 'a=1; b=2' }],
    ['null is empty, undefined is not there', { 'x-a': null, 'x-b': undefined }, { 'x-a': '' }],
    ['te keeps what HTTP/2 leaves it', { te: 'gzip, trailers' }, { te: 'trailers' }],
  ])('%s', (_, headers, fields) => {
    expect(head({ headers }).fields).toMatchObject(fields)
  })

  it.each(['connection', 'proxy-connection', 'http2-settings', 'te', 'host', 'content-length'])('%s is no field of its own', (name) => {
    expect(
      Object.keys(head({ headers: { [name]: name === 'content-length' ? '3' : 'keep' } }).fields).filter((each) => !each.startsWith(':')),
    ).toEqual([])
  })

  it('says how long the body is said to be', () => {
    expect([head({ headers: { 'Content-Length': '12' } }).contentLength, head({}).contentLength]).toEqual([12, undefined])
  })

  it('the query may be given apart', () => {
    expect(head({ path: '/a', query: { b: 1, c: ['d', 'e f'] } }).fields[':path']).toBe('/a?b=1&c=d&c=e%20f')
  })

  it.each<[string, Partial<DispatchOptions>, string]>([
    ['a method that is none', { method: 'GE T' }, 'UND_ERR_INVALID_ARG'],
    ['a path with a blank', { path: '/a b' }, 'UND_ERR_INVALID_ARG'],
    ['a path that does not begin', { path: 'a' }, 'UND_ERR_INVALID_ARG'],
    ['a name with a blank', { headers: { 'x a': '1' } }, 'UND_ERR_INVALID_ARG'],
    ['a pseudo-header', { headers: { ':path': '/b' } }, 'UND_ERR_INVALID_ARG'],
    ['a line break', { headers: { 'x-a': '1\n2' } }, 'UND_ERR_INVALID_ARG'],
    ['a line break among several', { headers: { 'x-a': ['1', '\r'] } }, 'UND_ERR_INVALID_ARG'],
    ['an object', { headers: { 'x-a': {} } }, 'UND_ERR_INVALID_ARG'],
    ['two hosts', { headers: ['host', 'a', 'host', 'b'] }, 'UND_ERR_INVALID_ARG'],
    ['a length that is none', { headers: { 'content-length': '1e3' } }, 'UND_ERR_INVALID_ARG'],
    ['__proto__', { headers: JSON.parse('{"__proto__":"x"}') as object }, 'UND_ERR_INVALID_ARG'],
    ['transfer-encoding', { headers: { 'transfer-encoding': 'chunked' } }, 'UND_ERR_INVALID_ARG'],
    ['expect', { headers: { expect: '100-continue' } }, 'UND_ERR_NOT_SUPPORTED'],
  ])('%s is refused', (_, options, code) => {
    expect(() => head(options)).toThrow(expect.objectContaining({ code }))
  })
})

describe('a body', () => {
  it.each<[string, unknown, string | undefined]>([
    ['text', 'a', 'a'],
    ['bytes', Buffer.from('a'), 'a'],
    ['a view', new Uint8Array([0, 97]).subarray(1), 'a'],
    ['a buffer', new Uint8Array([97]).buffer, 'a'],
    ['pieces', [Buffer.from('a')], undefined],
  ])('%s', (_, body, whole) => {
    const bytes = wholeBody(body, refuse)
    expect(bytes === undefined ? undefined : Buffer.from(bytes).toString()).toBe(whole)
  })

  it('that is none is refused', () => {
    for (const body of [5, {}, () => {}])
      expect(() => wholeBody(body, refuse)).toThrow(expect.objectContaining({ code: 'UND_ERR_INVALID_ARG' }))
  })
})

describe('why a stream broke', () => {
  it.each<[number | undefined, number, Error | undefined, string]>([
    [undefined, 8, undefined, 'the server reset the stream (CANCEL)'],
    [undefined, 99, undefined, 'the server reset the stream (code 99)'],
    [3, 7, undefined, 'the server is going away and had not begun with it (GOAWAY)'],
    [undefined, 0, undefined, 'the stream was closed before the answer was complete'],
    [undefined, 2, new Error('read ECONNRESET'), 'read ECONNRESET'],
    [
      undefined,
      11,
      new Error('Stream closed with error code NGHTTP2_ENHANCE_YOUR_CALM'),
      'the server reset the stream (ENHANCE_YOUR_CALM)',
    ],
  ])('last stream %s, code %s', (lastStream, code, cause, message) => {
    expect(new StreamError(lastStream, code, cause)).toMatchObject({ message, http2Code: code, code: 'ERR_HTTP2_STREAM_ERROR' })
  })
})

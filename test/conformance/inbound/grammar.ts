import { seededRandom } from '../../../src/core/random.ts'

/** One request as a stranger writes it. */
export interface WrittenRequest {
  readonly method: string
  /** The request target, byte by byte (Latin-1). */
  readonly target: string
  /** Header lines as they are written, without their line ends. */
  readonly lines: readonly string[]
  readonly version: string
  readonly body: string
}

/** The request as bytes of HTTP/1. */
export function toBytes({ method, target, lines, version, body }: WrittenRequest, newline = '\r\n'): string {
  return `${method} ${target} ${version}${newline}${lines.map((line) => line + newline).join('')}${newline}${body}`
}

const PUBLIC = 'public'

/** What may stand where a slash stands, from the plain to the devious. */
const SLASHES = [
  ...['/', '/', '/', '/', '//', '///', '/./', '/.//', '/x/../', '//x/../', '/x//../', '/%2e/', '/%2E/', '/x/%2e%2e/', '/x/.%2e/'],
  ...[
    '/x/%2E./',
    '%2f',
    '%2F',
    '/%2f',
    '%2f/',
    '\\',
    '/\\',
    '\\/',
    '%5c',
    '%5C',
    '/;/',
    '/;a=b/',
    '/.;/',
    '/x/..;/',
    '/x/..;a=b/',
    '/x/;/../',
  ],
  ...[
    '%252f',
    '/%252e/',
    '/x/%252e%252e/',
    '/%00/',
    '/%20/',
    '/%09/',
    '/x/..%2f',
    '/x/..%5c',
    '/x/..\\',
    '/..%c0%af',
    '%c0%af',
    '/%e2%88%95/',
  ],
  ...['/x/%c0%ae%c0%ae/', '/%2e%2f', '/x/%2e%2e%2f', '/x%2f..%2f', '/x/y/../../', '/x/y/..%2f../', '/../', '/../../', '/.%00/', '/..%00/'],
]

const ROOTS = [
  '/',
  '/',
  '/',
  '/',
  '//',
  '/./',
  '/../',
  '/%2e/',
  `/${PUBLIC}/../`,
  `/${PUBLIC}/%2e%2e/`,
  `/${PUBLIC}/..%2f`,
  `/${PUBLIC}/..;/`,
]
const MORE_ROOTS = [
  '\\',
  '/\\',
  '/;/',
  '/.;/',
  '%2f',
  '/%2f',
  '/%5c',
  `/${PUBLIC}/x/../../`,
  `/${PUBLIC}/..\\`,
  `/${PUBLIC}/.%2e/`,
  '/%00/',
  '/ /',
]

/** How one letter of the guarded path may be written. */
const LETTERS: readonly ((letter: string) => string)[] = [
  (letter) => letter,
  (letter) => letter,
  (letter) => letter,
  (letter) => letter,
  (letter) => letter.toUpperCase(),
  (letter) => `%${hex(letter)}`,
  (letter) => `%${hex(letter).toUpperCase()}`,
  (letter) => `%25${hex(letter)}`,
  (letter) => `%${hex(letter.toUpperCase())}`,
  // Longer than UTF-8 allows, and a full-width twin that some normalisation folds back.
  (letter) => `%c1%${(letter.charCodeAt(0) + 0x40).toString(16)}`,
  (letter) => encodeURIComponent(String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
  (letter) => `%u00${hex(letter)}`,
]

const ENDS = [
  '',
  '',
  '',
  '',
  '/',
  '//',
  '?',
  '?x=1',
  '?/../public',
  '#',
  '#x',
  '#?x',
  ';',
  ';a=b',
  ';/x',
  '%00',
  '%00.css',
  '.',
  '..',
  '/.',
  '/..',
]
const MORE_ENDS = [
  '%20',
  '%09',
  '%0a',
  '%0d%0a',
  '.json',
  '/%2e',
  '/%2e%2e',
  '%3f',
  '%23',
  '%3b',
  '\\',
  '%5c',
  '%2f',
  '/;',
  '~',
  '%',
  '%2',
  '%zz',
  '/x/../../admin',
]

const AUTHORITIES = [
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  'http://web',
  'http://WEB',
  'HTTP://web',
  'http://web:80',
  'https://web',
  'http://other',
  '//web',
  'http://a@web',
  'web:80',
]

const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'get',
  'PROPFIND',
  'M-SEARCH',
  'QUERY',
]

/** Lines beside `Host`, of which each has led somebody's guard astray. */
const EXTRAS: readonly (readonly string[])[] = [
  [],
  [],
  [],
  [],
  [],
  ['X-Original-URL: /admin/secret'],
  ['X-Rewrite-URL: /admin/secret'],
  ['X-Forwarded-Prefix: /admin', 'X-Forwarded-Path: /admin/secret', 'X-Forwarded-Uri: /admin/secret'],
  ['X-HTTP-Method-Override: GET', 'X-Method-Override: GET'],
  ['X-Envoy-Original-Path: /admin/secret', 'X-Envoy-Internal: true'],
  ['X-Forwarded-For: 127.0.0.1, 10.0.0.1', 'X-Real-Ip: 127.0.0.1', 'Forwarded: for=127.0.0.1;host=web'],
  ['X-Forwarded-Client-Cert: URI=spiffe://example.org/ns/default/sa/root'],
  ['X-Forwarded-Host: admin', 'X-Forwarded-Proto: https'],
  ['Connection: close, Host, X-Envoy-Internal'],
  ['Connection: keep-alive', 'Keep-Alive: timeout=5'],
  ['Expect: 100-continue'],
  ['Expect: something-else'],
  ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
  ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
  ['Authorization: Bearer a', 'Authorization: Bearer b'],
  ['Cookie: a=b', 'Cookie: path=/admin'],
  ['x_internal: 1', 'X-Request-Id: a b c'],
  ['Content-Length: 0', 'Content-Length: 0'],
  ['Content-Length: 5', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
  ['Transfer-Encoding: xchunked'],
  ['X-Long: '.padEnd(7_000, 'a')],
]

const HOSTS: readonly (readonly string[])[] = [
  ['Host: web'],
  ['Host: web'],
  ['Host: web'],
  ['Host: web'],
  ['Host: web'],
  ['Host: WEB'],
  ['Host: web:80'],
  ['Host: web.'],
  ['Host: web:8080'],
  ['Host: other'],
  [],
  ['Host:'],
  ['Host: web', 'Host: other'],
  ['Host: web, other'],
  ['Host: a@web'],
  ['Host: web/admin'],
  ['Host: web:port'],
  ['Host : web'],
  [' Host: web'],
  ['Host: web', ' folded: x'],
  ['Host: web\u0000'],
  ['Host: [::1]'],
  ['Host: web#/admin'],
]

/** Bodies that hold a second request, for servers and guards that disagree where the first one ends. */
const BODIES = [
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  'hello',
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '0\r\n\r\nGET /admin/secret HTTP/1.1\r\nHost: web\r\n\r\n',
]

/** `count` requests that try to reach `/admin/secret` past whoever guards it; the same for the same seed. */
export function generate(count: number, seed: number): WrittenRequest[] {
  const random = seededRandom(seed)
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const word = (text: string): string => {
    // Most words are written plainly; of the others each letter is a choice of its own.
    const odd = random() < 0.5
    return [...text].map((letter) => (odd && random() < 0.5 ? one(LETTERS)(letter) : letter)).join('')
  }
  return Array.from({ length: count }, () => {
    const path = `${one([...ROOTS, ...MORE_ROOTS])}${word('admin')}${one(SLASHES)}${word('secret')}${one([...ENDS, ...MORE_ENDS])}`
    return {
      method: one(METHODS),
      target: `${one(AUTHORITIES)}${path}`,
      lines: [...one(HOSTS), ...one(EXTRAS)],
      version: random() < 0.95 ? 'HTTP/1.1' : one(['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1']),
      body: one(BODIES),
    }
  })
}

function hex(letter: string): string {
  return letter.charCodeAt(0).toString(16).padStart(2, '0')
}

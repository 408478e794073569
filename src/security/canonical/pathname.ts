import { builtinModule } from '../../core/builtin-module.ts'
import type { Refusal } from '../../core/gate.ts'
import type { PathSettings } from '../../model/inbound.ts'
import { MALFORMED } from './malformed.ts'

/** What a byte is in a path: 0 needs the slow reading, 1 stands for itself, 2 is a slash, 3 a dot, 4 begins the query. */
const KIND = new Uint8Array(128)
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@") KIND[character.charCodeAt(0)] = 1
KIND[0x2f] = 2
KIND[0x2e] = 3
KIND[0x3f] = 4

/**
 * Where the path of `target` ends (at its query, or at its length), when it is canonical as it stands under any settings and the
 * query has nothing that could be misread; -1 when it has to be read slowly. Nearly every request ends here.
 */
export function plainEnd(target: string): number {
  if (target.charCodeAt(0) !== 0x2f) return -1
  let end = target.length
  let afterSlash = false
  for (let at = 0; at < end; at++) {
    const kind = KIND[target.charCodeAt(at)]
    if (kind === 4) {
      end = at
      break
    }
    // A second slash, or a dot that begins a segment.
    if (kind === undefined || kind === 0 || (afterSlash && kind !== 1)) return -1
    afterSlash = kind === 2
  }
  return isPlainQuery(target, end) ? end : -1
}

/** Whether nothing behind `from` is a fragment, a control character, a space or outside ASCII. */
export function isPlainQuery(target: string, from: number): boolean {
  for (let at = from; at < target.length; at++) {
    const code = target.charCodeAt(at)
    if (code <= 0x20 || code === 0x23 || code >= 0x7f) return false
  }
  return true
}

/**
 * The one spelling of a path: escapes of characters that mean nothing by themselves written out, the rest in capitals, dots resolved,
 * slashes merged as far as `settings` go. Reading the result again changes nothing. What no two servers read alike is refused.
 * @param path begins with a slash and has neither query nor fragment
 */
export function canonicalPathname(path: string, settings: PathSettings): string | Refusal {
  const decoded = decode(path, settings)
  if (typeof decoded !== 'string') return decoded
  if (settings.normalize === 'none') return path
  return resolve(decoded, settings.normalize !== 'base')
}

const HEX = /^[0-9a-fA-F]{2}$/
/** A slash, a backslash, a dot or a NUL behind one escape too many; what was an escaped percent sign lies before it. */
const TWICE = /^(?:25)*(?:2[fFeE]|5[cC]|00)/
/** A segment that is `.` or `..` for whoever takes an escaped slash for a slash. */
const HIDDEN_DOTS = /(?:^|\/|%2F|%5C)\.{1,2}(?=$|\/|%2F|%5C)/

function decode(path: string, { escapedSlashes, parameters }: PathSettings): string | Refusal {
  let written = ''
  let skipping = false
  let bytes: number[] = []
  let keptSlash = false
  for (let at = 0; at < path.length; at++) {
    let code = path.charCodeAt(at)
    const escaped = code === 0x25
    if (escaped) {
      const hex = path.slice(at + 1, at + 3)
      if (!HEX.test(hex)) return MALFORMED.escape
      code = Number.parseInt(hex, 16)
      at += 2
    }
    if (code >= 0x80) {
      // Bytes outside ASCII reach us as one character each, however they were written.
      if (code > 0xff) return MALFORMED.encoding
      bytes.push(code)
      if (!skipping) written += escaping(code)
      continue
    }
    if (bytes.length > 0) {
      if (!builtinModule('node:buffer').isUtf8(Buffer.from(bytes))) return MALFORMED.encoding
      bytes = []
    }
    if (code < 0x20 || code === 0x7f || (code === 0x20 && !escaped)) return MALFORMED.control
    let piece: string
    if (code === 0x5c || (code === 0x2f && escaped)) {
      if (escapedSlashes === 'reject') return MALFORMED.escapedSlash
      keptSlash = escapedSlashes === 'keep'
      piece = keptSlash ? escaping(code) : '/'
    } else if (code === 0x25) {
      const rest = TWICE.exec(path.slice(at + 1))
      if (rest !== null && !(escapedSlashes === 'keep' && /(?:2f|5c)$/i.test(rest[0]))) return MALFORMED.escapedTwice
      piece = '%25'
    } else if (code === 0x3b && !escaped) {
      if (parameters === 'refuse') return MALFORMED.parameters
      if (parameters === 'strip') skipping = true
      piece = ';'
    } else piece = (KIND[code] ?? 0) === 0 || code === 0x3f ? escaping(code) : String.fromCharCode(code)
    if (piece === '/') skipping = false
    if (!skipping) written += piece
  }
  if (bytes.length > 0 && !builtinModule('node:buffer').isUtf8(Buffer.from(bytes))) return MALFORMED.encoding
  if (keptSlash && HIDDEN_DOTS.test(written.replace(/(?:^|\/)\.{1,2}(?=\/|$)/g, ''))) return MALFORMED.hiddenDots
  return written
}

function escaping(code: number): string {
  return `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`
}

/** Dots resolved (RFC 3986 §5.2.4). Slashes at the beginning are merged in any case: `//host/path` is a URL of another host. */
function resolve(path: string, merge: boolean): string {
  const segments: string[] = []
  const written = path.split('/')
  for (let at = 1; at < written.length; at++) {
    const segment = written[at] as string
    if (segment === '..') segments.pop()
    else if (segment !== '.' && (segment !== '' || (!merge && segments.length > 0 && at < written.length - 1))) segments.push(segment)
  }
  const last = written[written.length - 1]
  const open = segments.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${segments.join('/')}${open ? '/' : ''}`
}

/** Everything is resolved, unescaped and cut off that any server might. */
const EVERYTHING: PathSettings = {
  normalize: 'decode-and-merge-slashes',
  escapedSlashes: 'unescape',
  parameters: 'strip',
  routing: undefined,
}

/**
 * A path as the loosest router would read it: without case (after decoding, as the Kelvin sign becomes a `k`), parameters, doubled and
 * trailing slashes. For comparing with what was folded alike, rules or requests; it is no path to be sent anywhere.
 */
export function foldPathname(pathname: string): string {
  // `*`, and the nothing that CONNECT asks for.
  if (!pathname.startsWith('/') || isFolded(pathname)) return pathname
  const resolved = plainEnd(pathname) === pathname.length ? pathname : canonicalPathname(pathname, EVERYTHING)
  let folded = typeof resolved === 'string' ? resolved : pathname
  if (folded.includes('%')) folded = decoded(folded)
  folded = folded.toLowerCase()
  // What stands for other text in a rule stays escaped, so that a path cannot be taken for a pattern.
  if (PATTERN.test(folded)) folded = folded.replace(PATTERNS, encodeURIComponent).replaceAll('*', '%2A')
  return folded.length > 1 && folded.endsWith('/') ? folded.slice(0, -1) : folded
}

/** Whether folding leaves it as it is, as it does nearly always. */
function isFolded(pathname: string): boolean {
  let afterSlash = false
  for (let at = 0; at < pathname.length; at++) {
    const code = pathname.charCodeAt(at)
    const kind = KIND[code]
    if (kind === undefined || kind === 0 || kind === 4 || (afterSlash && kind !== 1)) return false
    if ((code >= CAPITAL_A && code <= CAPITAL_Z) || code === STAR) return false
    afterSlash = kind === 2
  }
  return !afterSlash || pathname.length === 1
}

const CAPITAL_A = 0x41
const CAPITAL_Z = 0x5a
const STAR = 0x2a
const PATTERN = /[*{}]/
const PATTERNS = /[{}]/g

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

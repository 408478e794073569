import type { Refusal } from '../../core/gate.ts'
import type { PathSettings } from '../../model/inbound.ts'
import { MALFORMED } from './malformed.ts'
import { canonicalPathname, isPlainQuery } from './pathname.ts'

/** A request target in its one reading. */
export interface CanonicalTarget {
  /** Empty for CONNECT, which has none; `*` for the server as a whole. */
  readonly pathname: string
  /** Without its question mark. */
  readonly query: string
  /** What an absolute target, or CONNECT, addresses; undefined when only `Host` says it. */
  readonly authority: string | undefined
  readonly scheme: string
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/is

/**
 * Reads a raw request target (RFC 9112 §3.2): a path, an absolute URL, an authority for CONNECT, an asterisk for OPTIONS.
 * Call it for what `plainEnd` does not see through.
 */
export function canonicalTarget(method: string, target: string, settings: PathSettings): CanonicalTarget | Refusal {
  if (method === 'CONNECT' && !target.startsWith('/')) return { pathname: '', query: '', authority: target, scheme: 'https' }
  if (target === '*') return method === 'OPTIONS' ? { pathname: '*', query: '', authority: undefined, scheme: '' } : MALFORMED.target
  if (target.includes('#')) return MALFORMED.fragment
  const absolute = ABSOLUTE.exec(target)
  if (absolute === null && !target.startsWith('/')) return MALFORMED.target
  const rest = absolute === null ? target : (absolute[3] as string)
  const mark = rest.indexOf('?')
  const end = mark < 0 ? rest.length : mark
  const pathname = canonicalPathname(end === 0 ? '/' : rest.slice(0, end), settings)
  if (typeof pathname !== 'string') return pathname
  if (!isPlainQuery(rest, end) && !isReadableQuery(rest, end)) return MALFORMED.control
  return {
    pathname,
    query: mark < 0 ? '' : rest.slice(mark + 1),
    authority: absolute?.[2],
    scheme: absolute?.[1]?.toLowerCase() ?? '',
  }
}

/** Bytes outside ASCII are let through: every framework hands them on as they are. */
function isReadableQuery(rest: string, from: number): boolean {
  for (let at = from; at < rest.length; at++) {
    const code = rest.charCodeAt(at)
    if (code <= 0x20 || code === 0x7f) return false
  }
  return true
}
